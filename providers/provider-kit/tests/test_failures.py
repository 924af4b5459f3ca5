from __future__ import annotations

import runpy
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, strategies as st

from llm_gateway import (
    EndReason,
    Failure,
    FinishedRun,
    NativeSessionId,
    Posture,
    Prompt,
    Request,
    Resume,
    RunEnd,
    Summary,
)
from llm_gateway.errors import ERRORS
from llm_gateway_provider_kit.failures import COMMON_FAILURES, FailureRule, Sign, explain, failure_facts, http_status

#: The folder's name cannot be imported as a package.
wordings = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("wordings.py"))))
NOON = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
LOST = FailureRule(
    code="session_not_found", message="It is not known.", before_start=True, signs=(Sign(words="session not found"),)
)
EVERY_WORDING = [(code, words) for code, wordings_ in wordings.BY_CODE.items() for words in wordings_]


def ended(
    message: str = "", *, stderr: str = "", code: int | None = 1, signal: int | None = None, **told: Any
) -> FinishedRun:
    failed = bool(message) or told.get("failed", False)
    native_id = told.pop("native_id", None)
    return FinishedRun(
        request=Request(provider="p", prompt=Prompt(text="hello"), working_dir="/"),
        posture=Posture.PROMPTED,
        resume=Resume(),
        end=RunEnd(reason=EndReason.EXITED, exit_code=code, signal=signal, ended_at=NOON),
        summary=Summary(
            failed=failed,
            native_id=NativeSessionId(native_id) if native_id else None,
            failure={"message": message, **told} if message or told else {},
        ),
        stderr_tail=stderr,
    )


def told(run: FinishedRun, *rules: FailureRule) -> Failure:
    return explain(run, rules, program="Mine")


@pytest.mark.parametrize(("code", "words"), EVERY_WORDING)
def test_lesson_92_recorded_messages_have_their_code(code: str, words: str) -> None:
    assert told(ended(words)).code == code


@pytest.mark.parametrize(("code", "words"), EVERY_WORDING)
def test_a_message_on_standard_error_has_the_same_code_when_the_output_is_incomplete(code: str, words: str) -> None:
    assert told(ended(stderr=f"Loaded cached credentials.\nError: {words}\n")).code == code


@pytest.mark.parametrize(("code", "words"), EVERY_WORDING)
def test_lesson_89_a_killed_run_is_interrupted_whatever_standard_error_says(code: str, words: str) -> None:
    for number in (129, 130, 134, 137, 139, 143):
        assert told(ended(stderr=words, code=number, native_id="n")).code == "interrupted"
    assert told(ended(stderr=words, code=None, signal=15)).code == "interrupted"


@pytest.mark.parametrize(("code", "words"), EVERY_WORDING)
def test_lesson_92_every_failure_has_a_recovery(code: str, words: str) -> None:
    for run in (ended(words), ended(stderr=words), ended(stderr=words, code=137), ended(words, code=0)):
        assert told(run).recovery


@pytest.mark.parametrize("words", wordings.CREDIT)
def test_used_up_credit_does_not_advise_to_wait(words: str) -> None:
    failure = told(ended(words))
    assert failure.retryable is False
    assert "credit" in (failure.recovery or "")


@pytest.mark.parametrize("words", wordings.SAFETY)
def test_a_safety_stop_advises_to_rephrase(words: str) -> None:
    assert "differently" in (told(ended(words)).recovery or "")


@pytest.mark.parametrize("words", wordings.TRANSCRIPT)
def test_a_damaged_transcript_advises_a_new_conversation(words: str) -> None:
    assert "new conversation" in (told(ended(words)).recovery or "")


def test_an_unreachable_service_advises_to_check_proxy_and_certificates() -> None:
    for words in wordings.UNREACHABLE:
        failure = told(ended(words))
        assert "prox" in (failure.recovery or "")
        assert "certif" in (failure.recovery or "")


@pytest.mark.parametrize(
    "form",
    [
        *(
            "status: {}",
            "status {}",
            "last status: {} Nope",
            "{} Unauthorized",
            "HTTP {}",
            "HTTP/1.1 {}",
            "API Error: {} x",
        ),
        *(
            '"code":{}',
            '"code": {},',
            '{{\\"code\\":{}}}',
            "(code {})",
            "status code {}",
            "statusCode: {}",
            "status_code={}",
        ),
        *("Request rejected ({})", "API error (status {} Forbidden)", '"http_status": {}', "Error code: {} - x"),
        *("Status {}. Body: x", "unexpected status {} <unknown status code>", "error {}: x", '{} {{"type":"error"}}'),
    ],
)
def test_a_status_is_found_in_every_form(form: str) -> None:
    for status in (400, 401, 403, 429, 500, 529):
        assert http_status(f"Something failed: {form.format(status)}") == status


@pytest.mark.parametrize(
    "words",
    [
        "",
        "line 401",
        "exit code 404",
        "exit status 501",
        "127.0.0.1:443",
        "code: 111",
        "took 500 ms",
        "gpt-500 failed",
        "v4.0.1",
    ],
)
def test_other_numbers_are_not_a_status(words: str) -> None:
    assert http_status(words) is None


def test_the_last_status_of_a_log_counts_and_the_first_of_a_message() -> None:
    words = "Attempt 1 failed with status 429.\nAttempt 2 failed with status 401."
    assert (http_status(words), http_status(words, last=True)) == (429, 401)
    assert told(ended(stderr=words)).code == "auth_required"


def test_lesson_93_no_text_overrides_a_server_error_status() -> None:
    for words in (*wordings.LOGIN, *wordings.UNREACHABLE, *wordings.MODEL):
        assert told(ended(f"all is lost: {words}", status=503)).code == "overloaded"


def test_the_facts_of_the_reader_take_precedence_over_messages() -> None:
    assert told(ended("no words", status=429)).code == "quota_exhausted"
    assert told(ended("no words", kinds=["contextWindowExceeded"])).code == "input_too_large"
    assert told(ended("no words", kinds=["RATE_LIMIT_ERROR"])).code == "quota_exhausted"
    assert told(ended("no words", status=True, kinds=7, reset_at="soon")).code == "provider_failed"


def test_lesson_89_noise_of_mcp_servers_is_not_a_failure_of_the_program() -> None:
    noise = (
        "MCP server 'docs' failed to connect: 401 Unauthorized, session not found\n"
        "2026-11-29T10:00:01Z ERROR rmcp::transport::worker: connection refused\n"
        "WARN retrying after status 429\n"
    )
    assert told(ended(stderr=noise), LOST).code == "provider_failed"
    assert told(ended(stderr=f"{noise}Error: status 401\n"), LOST).code == "auth_required"


def test_standard_error_is_used_only_when_the_output_is_incomplete() -> None:
    assert told(ended("The moon is in the way.", stderr="401 Unauthorized")).code == "provider_failed"
    assert told(ended(ended=True, failed=True, stderr="401 Unauthorized")).code == "provider_failed"
    assert told(ended(stderr="401 Unauthorized", code=0)).code == "output_unreadable"


def test_lesson_89_a_conversation_started_in_this_run_is_not_unknown() -> None:
    assert told(ended(stderr="session not found"), LOST).code == "session_not_found"
    assert told(ended(stderr="session not found", native_id="n"), LOST).code == "provider_failed"
    assert told(ended(stderr="session not found", started=True), LOST).code == "provider_failed"
    assert told(ended(stderr="session not found", native_id="n", started=False), LOST).code == "session_not_found"


def test_a_killed_run_keeps_the_failure_that_it_reported() -> None:
    assert told(ended("status 401", code=137)).code == "auth_required"


def test_a_waiting_time_makes_a_failure_retryable_and_dated() -> None:
    for words in ("The moon is in the way. Try again in 90 s.", "overloaded, try again in 90s", "429, retry-after: 90"):
        failure = told(ended(words))
        assert (failure.reset_at, failure.retryable) == (NOON + timedelta(seconds=90), True)


def test_a_waiting_time_does_not_make_a_login_retryable() -> None:
    failure = told(ended("401 Unauthorized. Please try again in 5 minutes."))
    assert (failure.reset_at, failure.retryable) == (None, None)


def test_an_unknown_failure_with_a_temporary_status_is_retryable() -> None:
    facts = ended("the moon", status=425)
    assert ERRORS[told(facts).code].retryable or told(facts).retryable


def test_the_first_matching_rule_decides() -> None:
    first = FailureRule(code="bad_model", message="One.", signs=(Sign(exits=(7,)), Sign(words="moon", status=(None,))))
    assert told(ended("the moon", code=1), first).message == "One."
    assert told(ended("the sun", code=7), first).message == "One."
    assert told(ended("the moon: status 400", code=1), first).code == "provider_failed"


def test_a_sign_can_require_a_waiting_time() -> None:
    assert told(ended("used all available credits")).retryable is False
    dated = told(ended("used all available credits, try again in 2 days"))
    assert (dated.code, dated.retryable) == ("quota_exhausted", True)


def test_every_shared_rule_has_a_known_code() -> None:
    assert {rule.code for rule in COMMON_FAILURES} <= ERRORS.keys()


@given(words=st.text(max_size=300), stderr=st.text(max_size=300), code=st.integers(0, 255))
def test_any_message_has_a_code_and_a_recovery(words: str, stderr: str, code: int) -> None:
    failure = told(ended(words, stderr=stderr, code=code), LOST)
    assert failure.code in ERRORS
    assert failure.message
    assert failure.recovery


@pytest.mark.parametrize(
    "piece", ["a", "stream ", "4", "retry after ", "reset", "model x ", "\x1b[", "(", "| 1", "organization "]
)
def test_lesson_87_a_very_long_message_is_explained_in_linear_time(piece: str) -> None:
    run = ended((piece * 1_000_000)[:1_000_000])
    begun = time.thread_time()
    told(replace(run, stderr_tail=(piece * 8192)[:8192]))
    failure_facts(run)
    assert time.thread_time() - begun < 5
