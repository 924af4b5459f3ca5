"""What a run was, as its caller is told: the reader, the explanation and the kernel's own rules together."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import pytest

from llm_gateway import Cost, JobState, Reply, judge, token_count
from llm_gateway_testing.contract.provider_case import NOON, ProviderCase, Sample

#: What MCP servers, tools and retries leave on standard error of a good run, too.
NOISE = (
    "MCP server 'docs' failed to start: 401 Unauthorized, token expired, please log in again\n"
    "2026-11-29T10:00:01Z ERROR rmcp::transport::worker: session not found, connection refused 127.0.0.1:8811\n"
    "WARN attempt 1 failed with status 429: rate limit exceeded, try again in 5 minutes\n"
)
#: How a run ends that something else ended: by a signal, or as a shell reports one.
KILLED = (-9, -15, -2, 129, 130, 134, 137, 139, 143)
#: What CLIs and their runtimes print around their events.
AROUND: Mapping[str, Callable[[list[bytes]], list[bytes]]] = {
    "a byte order mark": lambda lines: [b"\xef\xbb\xbf" + lines[0], *lines[1:]],
    "CRLF": lambda lines: [line + b"\r" for line in lines],
    "log lines before the first event": lambda lines: [b"Loaded cached credentials.", b"DEBUG {not json}", *lines],
    "log lines between the events": lambda lines: [piece for line in lines for piece in (line, b"[12:00] phase: 0.2")],
    "colours before the first event": lambda lines: [b"\x1b[33mWaiting...\x1b[0m", b"\x1b[0m" + lines[0], *lines[1:]],
    "a banner behind a byte order mark": lambda lines: [b"\xef\xbb\xbfWelcome", *lines],
}
_COUNTED = re.compile(r"token|input|output|cach|total|thought", re.IGNORECASE)


class OutcomeContract(ProviderCase):
    """`gateway_open_reader` and `gateway_explain_failure` under the kernel, on recorded runs that end otherwise."""

    def outcome(self, sample: Sample) -> tuple[JobState, Reply]:
        """What the gateway makes of this run."""
        reader = self.host.open_reader(self.name, self.request())
        list(reader.feed("stdout", sample.stdout))
        list(reader.feed("stderr", sample.stderr.encode()))
        run = self.finished(sample, reader.finish(sample.end))
        return judge(run, explain=lambda each: self.host.explain_failure(self.name, each), price=lambda *_: Cost())

    @pytest.mark.parametrize("code", KILLED)
    def test_lesson_89_a_killed_run_is_interrupted_whatever_standard_error_says(self, code: int) -> None:
        for sample in [Sample(name="silent", stdout=b""), *self._begun()]:
            _, quiet = self.outcome(replace(sample, exit_code=code, stderr=""))
            state, reply = self.outcome(replace(sample, exit_code=code, stderr=NOISE))
            assert reply.failure is not None, sample.name
            assert reply.failure.code == "interrupted", f"{sample.name}: {reply.failure}"
            assert reply.failure.recovery
            assert state is JobState.FAILED
            assert reply.native_id == quiet.native_id, f"{sample.name}: the conversation must be kept"

    def test_lesson_89_a_conversation_that_was_begun_is_not_unknown(self) -> None:
        for sample in self._begun():
            _, quiet = self.outcome(replace(sample, exit_code=1, stderr=""))
            _, reply = self.outcome(replace(sample, exit_code=1, stderr=f"{NOISE}session not found\n"))
            if quiet.native_id is not None:
                assert reply.failure is not None
                assert reply.failure.code not in ("session_not_found", "session_not_resumable"), sample.name

    def test_noise_beside_a_success_is_no_failure(self) -> None:
        for sample in self._good():
            _, reply = self.outcome(replace(sample, stderr=f"{sample.stderr}{NOISE}"))
            assert reply.failure is None, f"{sample.name}: {reply.failure}"

    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_lesson_92_an_unknown_failure_tells_when_to_try_again(self, status: int) -> None:
        words = f"Error: the moon is in the way (status {status}). Try again in 90 seconds.\n"
        _, reply = self.outcome(Sample(name="unknown", stdout=b"", stderr=words, exit_code=1))
        failure = reply.failure
        assert failure is not None
        assert failure.reset_at == NOON + timedelta(seconds=90), failure
        assert failure.retryable
        assert failure.recovery

    def test_lesson_92_every_failure_says_what_to_do(self) -> None:
        odd = [
            Sample(name=f"exit code {code}", stdout=out, stderr=words, exit_code=code)
            for code in (0, 1, 2, 77, -11)
            for out in (b"", b"{}\n", b"junk")
            for words in ("", "Segmentation fault", "Error: the moon is in the way")
        ]
        for sample in [*self.samples, *odd]:
            _, reply = self.outcome(sample)
            assert reply.failure is None or (reply.failure.recovery or "").strip(), f"{sample.name}: {reply.failure}"

    @pytest.mark.parametrize("what", AROUND)
    def test_what_stands_around_the_events_loses_none_of_them(self, what: str) -> None:
        for sample in self._of_json_lines():
            lines = sample.stdout.splitlines()
            _, plain = self.outcome(sample)
            _, reply = self.outcome(replace(sample, stdout=b"\n".join(AROUND[what](lines)) + b"\n"))
            assert reply == plain, f"{sample.name} with {what}"

    @pytest.mark.parametrize("count", [-5, 2**32 - 1, 2**63, 1e300, "12", None])
    def test_a_count_that_cannot_be_true_never_reaches_usage(self, count: Any) -> None:
        for sample in self._of_json_lines():
            lines = [json.dumps(_recounted(json.loads(line), count)) for line in sample.stdout.splitlines()]
            _, reply = self.outcome(replace(sample, stdout="\n".join(lines).encode()))
            for name, value in asdict(reply.usage).items():
                assert value is None or token_count(value) == value, f"{sample.name}: {name} {value}"

    def _good(self) -> list[Sample]:
        return [sample for sample in self.samples if sample.failure is None]

    def _begun(self) -> Iterator[Sample]:
        """Runs that ended in the middle: the first half of recorded ones, without what they leave behind at their end."""
        for sample in self._of_json_lines():
            lines = sample.stdout.splitlines(keepends=True)
            if len(lines) > 1:
                yield replace(sample, stdout=b"".join(lines[: len(lines) // 2]), artifacts={})

    def _of_json_lines(self) -> Iterator[Sample]:
        """Good runs of a CLI that prints an object a line; the first few, small ones."""
        few = [s for s in self._good() if s.stdout.startswith(b"{") and len(s.stdout) < 200_000][:6]
        yield from (sample for sample in few if all(_is_object(line) for line in sample.stdout.splitlines()))


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _recounted(value: Any, count: Any, key: str = "") -> Any:
    """The same event with another number wherever tokens are counted."""
    if isinstance(value, dict):
        return {name: _recounted(inner, count, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_recounted(inner, count, key) for inner in value]
    counted = isinstance(value, (int, float)) and not isinstance(value, bool) and _COUNTED.search(key)
    return count if counted else value
