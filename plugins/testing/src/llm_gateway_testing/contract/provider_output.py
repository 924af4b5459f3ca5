"""The reader: the same bytes, cut anywhere, give the same summary, and no bytes make it raise."""

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

EVERY_CUT = (
    3000  #: an output up to this many bytes is cut at each of its bytes, a longer one at as many places by chance
)
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
    """`gateway_open_reader` and `gateway_explain_failure`, on recorded runs."""

    def read(self, sample: Sample, cuts: Iterable[int] = ()) -> Summary:
        """Feed a new reader a recorded run, cut at these places."""
        reader = self.host.open_reader(self.name, self.request())
        for start, stop in pairwise([0, *sorted(cuts), len(sample.stdout)]):
            list(reader.feed("stdout", sample.stdout[start:stop]))
        list(reader.feed("stderr", sample.stderr.encode()))
        return reader.finish(sample.end)

    def explain(self, sample: Sample) -> Failure | None:
        """What the gateway would say of this run; None: it ended well."""
        summary = self.read(sample)
        if not (summary.failed or sample.exit_code):
            silent = not summary.text.strip() and summary.structured is None
            return Failure(code="empty_output", message="as the kernel says it") if silent else None
        told = self.host.explain_failure(self.name, self.finished(sample, summary))
        return told or Failure(code="provider_failed", message="as the kernel says it")

    def test_there_are_recorded_runs_to_read(self) -> None:
        assert any(sample.failure is None for sample in self.samples), (
            "record a run of the real program that ended well"
        )
        assert any(sample.failure for sample in self.samples), "record a run of the real program that failed"
        assert len({sample.name for sample in self.samples}) == len(self.samples)

    def test_lesson_19_every_recorded_run_is_read_as_what_it_was(self) -> None:
        for sample in self.samples:
            summary, failure = self.read(sample), self.explain(sample)
            assert (failure and failure.code) == sample.failure, sample.name
            if sample.text is not None:
                assert summary.text == sample.text, sample.name
            if sample.native_id is not None:
                assert summary.native_id == sample.native_id, sample.name

    def test_lesson_12_the_same_summary_wherever_the_bytes_are_cut(self) -> None:
        for sample in self.samples:
            whole, chance = self.read(sample), random.Random(len(sample.stdout))  # noqa: S311 - no secret
            size = len(sample.stdout)
            places: Sequence[int] = range(size + 1)
            if size > EVERY_CUT:
                places = [chance.randrange(size) for _ in range(min(300, 60_000_000 // size + 5))]
            for place in places:
                assert self.read(sample, [place]) == whole, f"{sample.name}, cut at {place}"

    @pytest.mark.parametrize("piece", SIZES)
    def test_lesson_12_the_same_summary_in_pieces_of_any_size(self, piece: int) -> None:
        for sample in self.samples:
            if len(sample.stdout) // piece < 200_000:
                cuts = range(piece, len(sample.stdout), piece)
                assert self.read(sample, cuts) == self.read(sample), sample.name

    def test_the_events_do_not_decide_what_is_remembered(self) -> None:
        """The kernel reads the events of a run that nobody follows not at all."""
        for sample in self.samples:
            reader = self.host.open_reader(self.name, self.request())
            reader.feed("stdout", sample.stdout)
            reader.feed("stderr", sample.stderr.encode())
            assert reader.finish(sample.end) == self.read(sample), f"{sample.name}: feed must not be lazy"

    def test_events_fit_on_a_line(self) -> None:
        for event in self._events():
            assert isinstance(event.kind, EventKind)
            assert "\n" not in event.text.removesuffix("\n")  # which words of the agent may keep
            assert len(event.text) <= 2000

    def test_lesson_88_the_conversation_is_told_as_soon_as_it_is_known(self) -> None:
        for sample in self.samples:
            if sample.native_id is not None:
                told = [event.text for event in self._events([sample]) if event.kind is EventKind.SESSION]
                assert told[:1] == [sample.native_id], sample.name

    def test_lesson_10_a_hole_in_the_output_is_survived(self) -> None:
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
                assert summary.failed or summary.text != sample.text, sample.name

    @pytest.mark.parametrize("junk", JUNK, ids=lambda junk: ascii(junk[:12]))
    def test_lesson_19_no_answer_is_made_of_nothing(self, junk: bytes) -> None:
        sample = Sample(name="junk", stdout=junk)
        assert isinstance(self.read(sample), Summary)

    @bounded
    @given(junk=st.binary(max_size=400), stderr=st.text(max_size=100), code=st.sampled_from([0, 1, 2, 130, -9]))
    def test_no_bytes_make_it_raise(self, junk: bytes, stderr: str, code: int) -> None:
        text = stderr.encode("utf-8", "replace").decode()
        sample = Sample(name="junk", stdout=junk, stderr=text, exit_code=code)
        failure = self.explain(sample)
        assert failure is None or failure.code in ERRORS

    @bounded
    @given(data=st.data())
    def test_a_recorded_run_with_a_bit_of_it_spoiled_does_not_make_it_raise(self, data: st.DataObject) -> None:
        sample = data.draw(
            st.sampled_from([sample for sample in self.samples if sample.stdout] or [Sample(name="", stdout=b"x")])
        )
        at = data.draw(st.integers(0, len(sample.stdout) - 1))
        spoiled = (
            sample.stdout[:at] + data.draw(st.binary(max_size=5)) + sample.stdout[at + data.draw(st.integers(0, 9)) :]
        )
        summary = self.read(replace(sample, stdout=spoiled[:200_000]))
        assert isinstance(summary, Summary)

    @bounded
    @given(data=st.data())
    def test_a_value_of_another_kind_does_not_make_it_raise(self, data: st.DataObject) -> None:
        lines = [line for sample in self.samples for line in sample.stdout.splitlines()[:50] if line.startswith(b"{")]
        facts = _object(data.draw(st.sampled_from(lines))) if lines else {}
        if facts:
            facts[data.draw(st.sampled_from(sorted(facts)))] = data.draw(values)
            assert isinstance(self.read(Sample(name="odd", stdout=json.dumps(facts).encode() + b"\n")), Summary)

    @bounded
    @given(stderr=st.text(max_size=300), code=st.integers(1, 255))
    def test_a_failure_has_a_code_of_the_closed_set_or_none(self, stderr: str, code: int) -> None:
        sample = Sample(name="crash", stdout=b"", stderr=stderr, exit_code=code)
        told = self.host.explain_failure(self.name, self.finished(sample, Summary(failed=True)))
        assert told is None or (told.code in ERRORS and told.message.strip())
        assert not self.host.problems

    def test_recorded_failures_say_what_happened_and_do_not_blame_the_reader(self) -> None:
        for sample in self.samples:
            failure = self.explain(sample)
            if failure is not None:
                assert failure.message.strip(), sample.name
                assert failure.reset_at is None or failure.reset_at.tzinfo is not None, sample.name

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
