"""The reader: the same bytes give the same summary wherever they are cut, and no bytes make it raise."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from llm_gateway import Event, EventKind, Failure, Summary
from llm_gateway.errors import ERRORS
from llm_gateway_testing.contract.provider_case import ProviderCase, Sample, bounded

#: Output up to this many bytes is cut at every byte; longer output at random positions.
EVERY_CUT = 3000
SIZES = (1, 2, 3, 7, 61, 1021, 65536)
JUNK = (
    b"",
    b"\n",
    b"\n\n\n",
    b"\0",
    b"\xff\xfe",
    b"{",
    b"{}\n",
    b"[]\n",
    b"null\n",
    b"3\n",
    b'"x"\n',
    b"{}{}\n",
    b"[" * 5000 + b"\n",
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


class OutputContract(ProviderCase):
    """`gateway_open_reader` and `gateway_explain_failure` on recorded runs."""

    def read(self, sample: Sample, cuts: Iterable[int] = ()) -> Summary:
        """Feed a recorded run to a new reader, cut at these positions."""
        reader = self.host.open_reader(self.name, self.request())
        for start, stop in pairwise([0, *sorted(cuts), len(sample.stdout)]):
            list(reader.feed("stdout", sample.stdout[start:stop]))
        list(reader.feed("stderr", sample.stderr.encode()))
        return reader.finish(sample.end)

    def explain(self, sample: Sample) -> Failure | None:
        """Return the failure that the gateway would report for this run; None: it succeeded."""
        summary = self.read(sample)
        if not (summary.failed or sample.exit_code):
            silent = not summary.text.strip() and summary.structured is None
            return Failure(code="empty_output", message="the kernel's message") if silent else None
        explained = self.host.explain_failure(self.name, self.finished(sample, summary))
        return explained or Failure(code="provider_failed", message="the kernel's message")

    def test_samples_hold_a_success_and_a_failure(self) -> None:
        assert any(sample.failure is None for sample in self.samples), (
            "`samples` has no successful run: record one of the real program"
        )
        assert any(sample.failure for sample in self.samples), (
            "`samples` has no failed run: record one of the real program and set `Sample.failure`"
        )
        assert len({sample.name for sample in self.samples}) == len(self.samples), "two `samples` have the same name"

    def test_lesson_19_every_recorded_run_is_read_correctly(self) -> None:
        for sample in self.samples:
            summary, failure = self.read(sample), self.explain(sample)
            code = failure and failure.code
            assert code == sample.failure, (
                f"{sample.name}: the failure is {code!r}, `Sample.failure` {sample.failure!r}"
            )
            if sample.text is not None:
                assert summary.text == sample.text, f"{sample.name}: `Summary.text` is not `Sample.text`"
            if sample.native_id is not None:
                assert summary.native_id == sample.native_id, (
                    f"{sample.name}: `Summary.native_id` is not `Sample.native_id`"
                )

    def test_lesson_12_the_same_summary_wherever_the_bytes_are_cut(self) -> None:
        for sample in self.samples:
            uncut = self.read(sample)
            size = len(sample.stdout)
            positions: Sequence[int] = range(size + 1)
            if size > EVERY_CUT:
                seeded = random.Random(size)  # noqa: S311 - no secret
                positions = [seeded.randrange(size) for _ in range(min(300, 60_000_000 // size + 5))]
            for position in positions:
                assert self.read(sample, [position]) == uncut, (
                    f"{sample.name}: another summary when the bytes are cut at {position}: keep incomplete lines and "
                    "characters until the next `feed`"
                )

    @pytest.mark.parametrize("piece", SIZES)
    def test_lesson_12_the_same_summary_in_pieces_of_any_size(self, piece: int) -> None:
        for sample in self.samples:
            if len(sample.stdout) // piece < 200_000:
                cuts = range(piece, len(sample.stdout), piece)
                assert self.read(sample, cuts) == self.read(sample), (
                    f"{sample.name}: another summary when the bytes come in pieces of {piece}"
                )

    def test_the_summary_does_not_depend_on_reading_the_events(self) -> None:
        """Without a follower of the run, the kernel does not iterate over the events that `feed` returns."""
        for sample in self.samples:
            reader = self.host.open_reader(self.name, self.request())
            reader.feed("stdout", sample.stdout)
            reader.feed("stderr", sample.stderr.encode())
            assert reader.finish(sample.end) == self.read(sample), (
                f"{sample.name}: `feed` must process its bytes at once, not when its result is iterated"
            )

    def test_events_fit_on_a_line(self) -> None:
        for event in self._events():
            assert isinstance(event.kind, EventKind)
            # Text of the agent may end with a line break.
            assert "\n" not in event.text.removesuffix("\n"), f"`Event.text` has several lines: {event.text[:80]!r}"
            assert len(event.text) <= 2000, f"`Event.text` has {len(event.text)} characters: shorten it to 2000"

    def test_lesson_88_the_conversation_id_is_reported_as_soon_as_it_is_known(self) -> None:
        for sample in self.samples:
            if sample.native_id is not None:
                reported = [event.text for event in self._events([sample]) if event.kind is EventKind.SESSION]
                assert reported[:1] == [sample.native_id], (
                    f"{sample.name}: `feed` must return an `EventKind.SESSION` event with the id of the conversation"
                )

    def test_lesson_10_a_gap_in_the_output_does_not_make_it_raise(self) -> None:
        for sample in self.samples:
            third = len(sample.stdout) // 3
            reader = self.host.open_reader(self.name, self.request())
            list(reader.feed("stdout", sample.stdout[:third]))
            reader.gap("stdout")
            list(reader.feed("stdout", sample.stdout[2 * third :]))
            reader.gap("stderr")
            assert isinstance(reader.finish(sample.end), Summary)

    def test_lesson_5_an_output_that_ends_early_is_not_a_success(self) -> None:
        for sample in self.samples:
            if sample.failure is None and sample.text and len(sample.stdout.splitlines()) > 1:
                half = replace(sample, stdout=sample.stdout[: len(sample.stdout) // 3])
                summary = self.read(half)
                assert summary.failed or summary.text != sample.text, (
                    f"{sample.name}: a third of the output gives the full answer: set `Summary.failed` when the final "
                    "event is missing"
                )

    @pytest.mark.parametrize("junk", JUNK, ids=lambda junk: ascii(junk[:12]))
    def test_lesson_19_junk_does_not_make_it_raise(self, junk: bytes) -> None:
        sample = Sample(name="junk", stdout=junk)
        assert isinstance(self.read(sample), Summary)

    @bounded
    @given(junk=st.binary(max_size=400), stderr=st.text(max_size=100), code=st.sampled_from([0, 1, 2, 130, -9]))
    def test_no_bytes_make_it_raise(self, junk: bytes, stderr: str, code: int) -> None:
        text = stderr.encode("utf-8", "replace").decode()
        sample = Sample(name="junk", stdout=junk, stderr=text, exit_code=code)
        failure = self.explain(sample)
        assert failure is None or failure.code in ERRORS, (
            f"`Failure.code` {failure.code!r} is unknown: use one of ERRORS"
        )

    @bounded
    @given(data=st.data())
    def test_a_damaged_recorded_run_does_not_make_it_raise(self, data: st.DataObject) -> None:
        candidates = [sample for sample in self.samples if sample.stdout] or [Sample(name="", stdout=b"x")]
        sample = data.draw(st.sampled_from(candidates))
        start = data.draw(st.integers(0, len(sample.stdout) - 1))
        inserted = data.draw(st.binary(max_size=5))
        removed = data.draw(st.integers(0, 9))
        damaged = sample.stdout[:start] + inserted + sample.stdout[start + removed :]
        summary = self.read(replace(sample, stdout=damaged[:200_000]))
        assert isinstance(summary, Summary)

    @bounded
    @given(data=st.data())
    def test_a_value_of_another_type_does_not_make_it_raise(self, data: st.DataObject) -> None:
        lines = [line for sample in self.samples for line in sample.stdout.splitlines()[:50] if line.startswith(b"{")]
        facts = _object(data.draw(st.sampled_from(lines))) if lines else {}
        if facts:
            facts[data.draw(st.sampled_from(sorted(facts)))] = data.draw(values)
            assert isinstance(self.read(Sample(name="odd", stdout=json.dumps(facts).encode() + b"\n")), Summary)

    @bounded
    @given(stderr=st.text(max_size=300), code=st.integers(1, 255))
    def test_a_failure_is_none_or_has_a_known_code(self, stderr: str, code: int) -> None:
        sample = Sample(name="crash", stdout=b"", stderr=stderr, exit_code=code)
        failure = self.host.explain_failure(self.name, self.finished(sample, Summary(failed=True)))
        if failure is not None:
            assert failure.code in ERRORS, f"`Failure.code` {failure.code!r} is unknown: use a key of ERRORS"
            assert failure.message.strip(), "`Failure.message` is empty"
        assert not self.host.problems, f"`gateway_explain_failure` failed: {self.host.problems}"

    def test_recorded_failures_have_a_message_and_an_aware_reset_time(self) -> None:
        for sample in self.samples:
            failure = self.explain(sample)
            if failure is not None:
                assert failure.message.strip(), f"{sample.name}: `Failure.message` is empty"
                assert failure.reset_at is None or failure.reset_at.tzinfo is not None, (
                    f"{sample.name}: `Failure.reset_at` has no time zone"
                )

    def _events(self, samples: Sequence[Sample] | None = None) -> Iterable[Event]:
        for sample in self.samples if samples is None else samples:
            reader = self.host.open_reader(self.name, self.request())
            yield from reader.feed("stdout", sample.stdout)


def _object(line: bytes) -> dict[str, object]:
    try:
        facts = json.loads(line)
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}
