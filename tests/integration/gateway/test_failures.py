"""Runs that do not end well, and runs that only look so."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import pytest

from llm_gateway.errors import ERRORS, NotInstalled
from llm_gateway.model.request import Prompt, Request, SubmitRequest
from tests.integration.gateway.world import Home, refused

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("scenario", "code", "exit_code"),
    [
        ("auth", "auth_required", 1),
        ("quota", "quota_exhausted", 1),
        ("overloaded", "overloaded", 1),
        ("bad_model", "bad_model", 1),
        ("tool_denied", "tool_denied", 1),
        ("garbage", "output_unreadable", 0),
        ("empty", "empty_output", 0),
        ("error_exit0", "provider_failed", 0),
        ("crash", "provider_failed", 3),
        ("crash_after_text", "provider_failed", 3),
    ],
)
async def test_lesson_19_a_failure_is_what_the_output_says_and_not_the_exit_code(
    home: Home, scenario: str, code: str, exit_code: int
) -> None:
    arguments = {"model": "echo-9"} if scenario == "bad_model" else {"scenario": scenario}
    async with home.open() as caller:
        told = await caller.ask(**arguments)
        operation = caller.gateway.operations["echo_request"]
        assert operation.failed(operation.result.model_validate(told))
        assert (await caller.state(told["jobId"])) == "failed"
        [record] = await caller.gateway.store.list_records()
    assert told["status"] == "failed"
    assert told["error"]["code"] == code
    assert told["error"]["retryable"] is ERRORS[code].retryable
    assert told["exitCode"] == exit_code
    assert told["error"]["message"]
    assert (record.outcome, record.error_code) == ("failed", code)
    assert told["emptyOutput"] is (scenario not in ("crash_after_text",))


async def test_a_used_up_quota_tells_when_it_is_filled_again(home: Home) -> None:
    async with home.open() as caller:
        told = await caller.ask(scenario="quota", amount=600)
    reset = datetime.fromisoformat(told["error"]["resetAt"].replace("Z", "+00:00"))
    assert 500 < (reset - datetime.now(timezone.utc)).total_seconds() < 601


async def test_a_crash_tells_the_programs_last_words_and_keeps_what_was_said(home: Home) -> None:
    async with home.open() as caller:
        told = await caller.ask("half", scenario="crash_after_text")
    assert told["error"]["providerMessage"] == "fatal: the echo died away"
    assert told["text"] == "echo: half"


async def test_noise_on_stderr_is_no_failure(home: Home) -> None:
    async with home.open() as caller:
        told = await caller.ask("quiet", scenario="noisy", amount=5000)
        page = await caller.result(told["jobId"], raw="stderr", maxChars=100)
    assert (told["status"], told["text"], told["warnings"]) == ("completed", "echo: quiet", [])
    assert page["page"]["text"].startswith("warning: error 429")


async def test_a_program_that_is_missing_is_told_with_the_command_that_installs_it(home: Home) -> None:
    home.set(providers__echo__executable=home.path / "nowhere")
    async with home.open() as caller:
        error = await refused(NotInstalled, caller.ask())
        assert "echo_request" in caller.gateway.operations
        health = await caller.call("llm_process_health")
        assert await caller.jobs() == []
    assert error.recovery == "Install it: pip install llm-gateway-provider-echo"
    assert health["providers"]["echo"] is False


async def test_a_program_that_cannot_be_executed_is_a_failed_run_and_no_lost_job(home: Home) -> None:
    broken = home.work / "broken"
    broken.write_bytes(b"\x7fELF and then nothing\n")
    broken.chmod(0o755)
    home.set(providers__echo__executable=broken)
    async with home.open() as caller:
        told = await caller.ask()
    assert (told["status"], told["error"]["code"]) == ("failed", "provider_failed")
    assert "could not be started" in told["error"]["message"]


async def test_a_run_over_its_time_is_ended_and_keeps_what_it_said(home: Home) -> None:
    async with home.open() as caller:
        told = await caller.ask(scenario="steps", delayMs=20_000, timeoutMs=700)
    assert (told["status"], told["error"]["code"]) == ("failed", "timeout")
    assert "0.7 s" in told["error"]["message"]
    assert told["text"] == "step 1 of 3"


async def test_a_silent_run_is_ended_after_its_idle_time(home: Home) -> None:
    async with home.open() as caller:
        options = caller.gateway.providers["echo"].options_model.model_validate({"scenario": "hang"})
        request = Request(
            provider="echo",
            prompt=Prompt(text="say nothing"),
            options=options,
            working_dir=str(home.work),
            idle_timeout_s=0.5,
        )
        ask = SubmitRequest(request=request, dir_given=True, options_given={"scenario": "hang"})
        admission = await caller.gateway.jobs.submit(ask)
        await caller.wait(admission.job.id)
        told = await caller.result(admission.job.id)
        talking = options.model_copy(update={"scenario": "steps", "amount": 4, "delay_ms": 200})
        admission = await caller.gateway.jobs.submit(replace(ask, request=replace(request, options=talking)))
        await caller.wait(admission.job.id)
        assert (await caller.result(admission.job.id))["status"] == "completed"
    assert (told["status"], told["error"]["code"]) == ("failed", "idle_timeout")


async def test_lesson_14_a_run_that_is_silent_till_its_end_is_not_ended_for_it(home: Home) -> None:
    async with home.open() as caller:
        told = await caller.ask("wait for it", scenario="silent", delayMs=1500)
    assert told["text"] == "echo: wait for it"
