"""The outcome of a run as its caller sees it: the reader, `gateway_explain_failure` and the kernel's rules together."""

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

#: Lines that MCP servers, tools and retries write to standard error of successful runs, too.
NOISE = (
    "MCP server 'docs' failed to start: 401 Unauthorized, token expired, please log in again\n"
    "2026-11-29T10:00:01Z ERROR rmcp::transport::worker: session not found, connection refused 127.0.0.1:8811\n"
    "WARN attempt 1 failed with status 429: rate limit exceeded, try again in 5 minutes\n"
)
#: Exit codes of runs that a signal ended: negative, or 128 + the signal as a shell reports it.
KILLED = (-9, -15, -2, 129, 130, 134, 137, 139, 143)
#: Additional output that CLIs and their runtimes print around their events.
AROUND: Mapping[str, Callable[[list[bytes]], list[bytes]]] = {
    "a byte order mark": lambda lines: [b"\xef\xbb\xbf" + lines[0], *lines[1:]],
    "CRLF": lambda lines: [line + b"\r" for line in lines],
    "log lines before the first event": lambda lines: [b"Loaded cached credentials.", b"DEBUG {not json}", *lines],
    "log lines between the events": lambda lines: [piece for line in lines for piece in (line, b"[12:00] phase: 0.2")],
    "colours before the first event": lambda lines: [b"\x1b[33mWaiting...\x1b[0m", b"\x1b[0m" + lines[0], *lines[1:]],
    "a banner after a byte order mark": lambda lines: [b"\xef\xbb\xbfWelcome", *lines],
}
_COUNTED = re.compile(r"token|input|output|cach|total|thought", re.IGNORECASE)


class OutcomeContract(ProviderCase):
    """`gateway_open_reader` and `gateway_explain_failure` with the kernel's rules, on changed recorded runs."""

    def outcome(self, sample: Sample) -> tuple[JobState, Reply]:
        """Return the final state and the reply that the gateway derives from this run."""
        reader = self.host.open_reader(self.name, self.request())
        list(reader.feed("stdout", sample.stdout))
        list(reader.feed("stderr", sample.stderr.encode()))
        run = self.finished(sample, reader.finish(sample.end))
        return judge(run, explain=lambda each: self.host.explain_failure(self.name, each), price=lambda *_: Cost())

    @pytest.mark.parametrize("code", KILLED)
    def test_lesson_89_a_killed_run_is_interrupted_whatever_standard_error_says(self, code: int) -> None:
        for sample in [Sample(name="silent", stdout=b""), *self._incomplete()]:
            _, without_stderr = self.outcome(replace(sample, exit_code=code, stderr=""))
            state, reply = self.outcome(replace(sample, exit_code=code, stderr=NOISE))
            assert reply.failure is not None, sample.name
            assert reply.failure.code == "interrupted", (
                f"{sample.name}: a signal ended the run, so the code must be `interrupted`; do not search standard error "
                f"for another reason: {reply.failure}"
            )
            assert reply.failure.recovery, f"{sample.name}: `Failure.recovery` is empty"
            assert state is JobState.FAILED
            assert reply.native_id == without_stderr.native_id, f"{sample.name}: `Summary.native_id` must be kept"

    def test_lesson_89_a_started_conversation_is_not_reported_as_unknown(self) -> None:
        for sample in self._incomplete():
            _, without_stderr = self.outcome(replace(sample, exit_code=1, stderr=""))
            _, reply = self.outcome(replace(sample, exit_code=1, stderr=f"{NOISE}session not found\n"))
            if without_stderr.native_id is not None:
                assert reply.failure is not None
                assert reply.failure.code not in ("session_not_found", "session_not_resumable"), (
                    f"{sample.name}: the run had started its conversation, so standard error does not tell that it is "
                    "unknown: set `before_start=True` on that FailureRule"
                )

    def test_noise_on_stderr_does_not_make_a_success_a_failure(self) -> None:
        for sample in self._successful():
            _, reply = self.outcome(replace(sample, stderr=f"{sample.stderr}{NOISE}"))
            assert reply.failure is None, (
                f"{sample.name}: the run succeeded, but noise on standard error made it a failure: {reply.failure}"
            )

    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_lesson_92_an_unknown_failure_reports_when_to_retry(self, status: int) -> None:
        text = f"Error: the moon is in the way (status {status}). Try again in 90 seconds.\n"
        _, reply = self.outcome(Sample(name="unknown", stdout=b"", stderr=text, exit_code=1))
        failure = reply.failure
        assert failure is not None, "a run with exit code 1 and no output must be a failure"
        assert failure.reset_at == NOON + timedelta(seconds=90), (
            f"read the waiting time into `Failure.reset_at`: {failure}"
        )
        assert failure.retryable, f"a failure with status {status} can be retried: set `Failure.retryable`"
        assert failure.recovery, "`Failure.recovery` is empty: say what to do"

    def test_lesson_92_every_failure_has_a_recovery(self) -> None:
        odd = [
            Sample(name=f"exit code {code}", stdout=out, stderr=text, exit_code=code)
            for code in (0, 1, 2, 77, -11)
            for out in (b"", b"{}\n", b"junk")
            for text in ("", "Segmentation fault", "Error: the moon is in the way")
        ]
        for sample in [*self.samples, *odd]:
            _, reply = self.outcome(sample)
            if reply.failure is not None:
                recovery = (reply.failure.recovery or "").strip()
                assert recovery, f"{sample.name}: `Failure.recovery` is empty, say what to do: {reply.failure}"

    @pytest.mark.parametrize("noise", AROUND)
    def test_output_around_the_events_hides_none_of_them(self, noise: str) -> None:
        for sample in self._json_line_runs():
            lines = sample.stdout.splitlines()
            _, plain = self.outcome(sample)
            _, reply = self.outcome(replace(sample, stdout=b"\n".join(AROUND[noise](lines)) + b"\n"))
            assert reply == plain, f"{sample.name} with {noise}: the reply must be the same as without"

    @pytest.mark.parametrize("count", [-5, 2**32 - 1, 2**63, 1e300, "12", None])
    def test_an_impossible_token_count_is_not_in_usage(self, count: Any) -> None:
        for sample in self._json_line_runs():
            lines = [json.dumps(_recounted(json.loads(line), count)) for line in sample.stdout.splitlines()]
            _, reply = self.outcome(replace(sample, stdout="\n".join(lines).encode()))
            for name, value in asdict(reply.usage).items():
                assert value is None or token_count(value) == value, (
                    f"{sample.name}: `Usage.{name}` is {value}: read counts with `token_count`"
                )

    def _successful(self) -> list[Sample]:
        return [sample for sample in self.samples if sample.failure is None]

    def _incomplete(self) -> Iterator[Sample]:
        """The first halves of recorded runs, without artifacts: runs that ended early."""
        for sample in self._json_line_runs():
            lines = sample.stdout.splitlines(keepends=True)
            if len(lines) > 1:
                yield replace(sample, stdout=b"".join(lines[: len(lines) // 2]), artifacts={})

    def _json_line_runs(self) -> Iterator[Sample]:
        """The first small successful runs of a CLI that prints one JSON object a line."""
        few = [s for s in self._successful() if s.stdout.startswith(b"{") and len(s.stdout) < 200_000][:6]
        yield from (sample for sample in few if all(_is_object(line) for line in sample.stdout.splitlines()))


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _recounted(value: Any, count: Any, key: str = "") -> Any:
    """The same event with another number in every field that counts tokens."""
    if isinstance(value, dict):
        return {name: _recounted(inner, count, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_recounted(inner, count, key) for inner in value]
    counted = isinstance(value, (int, float)) and not isinstance(value, bool) and _COUNTED.search(key)
    return count if counted else value
