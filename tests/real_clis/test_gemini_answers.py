"""The real Gemini CLI: answers, conversations, tokens, failures."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

from llm_gateway import EventKind, Posture, Summary
from tests.busy import idle_clock

if TYPE_CHECKING:
    from tests.conftest import ModelServer
    from tests.real_clis.agent import RealAgent
    from tests.real_clis.signal_pipe import SignalPipe


def counted(summary: Summary) -> tuple[Any, ...]:
    usage = summary.usage
    return usage.input_tokens, usage.cache_read_tokens, usage.output_tokens


def reported(calls: list[dict[str, Any]]) -> tuple[int, int, int]:
    """What the model server told of these calls: fresh, cached, written by the model."""
    used = [call["usage"] for call in calls]
    cached = sum(usage.get("cachedContentTokenCount", 0) for usage in used)
    return (
        sum(usage["promptTokenCount"] for usage in used) - cached,
        cached,
        sum(usage["candidatesTokenCount"] for usage in used),
    )


def test_lesson_88_a_conversation_of_gemini_keeps_its_chosen_id_and_counts_each_turn_alone(
    gemini: RealAgent, model_server: ModelServer
) -> None:
    running = gemini.start("SAY:größer 日本語")
    first = running.finish()
    calls = model_server.log()
    assert (first.text, first.error, first.code) == ("größer 日本語", None, 0)
    assert first.summary.native_id == running.resume.native_id
    assert first.events[0].kind is EventKind.STATUS or first.events[0].text == first.summary.native_id
    assert len(calls) == 1, "no other model was asked which to take"
    assert first.summary.model == calls[0]["model"]
    assert counted(first.summary) == reported(calls)
    later = [gemini.ask("HISTORY", after=first.summary.native_id) for _ in range(2)]
    assert later[1].text == "SAY:größer 日本語 | HISTORY"
    assert {turn.summary.native_id for turn in later} == {first.summary.native_id}
    for turn, call in zip(later, model_server.log()[1:], strict=True):
        assert counted(turn.summary) == reported([call])
        assert turn.summary.notices == ()
    # Not each: now and then Gemini CLI begins a later turn's prompt otherwise than the first one's.
    assert max(turn.summary.usage.cache_read_tokens or 0 for turn in later) > 4_000


def test_trap_1_a_conversation_survives_other_runs_of_its_directory(gemini: RealAgent) -> None:
    begun = [gemini.start(f"SAY:{number}") for number in range(3)]
    ids = [running.finish().summary.native_id for running in begun]
    chats = next((gemini.folder / "home" / ".gemini" / "tmp").glob("*/chats"))
    for path in sorted(
        chats.glob("*.jsonl")
    ):  # as a resume in a later minute leaves one behind: empty, of the same name
        later = path.name.replace(path.name[8:24], "2099-01-01T00-00")
        (chats / later).write_text(path.read_text().splitlines()[0] + "\n")
    assert [gemini.ask("HISTORY", after=native_id).text for native_id in ids] == ["SAY:0", "SAY:1", "SAY:2"]


def test_the_users_login_and_model_count_and_nothing_else_of_his_settings(
    gemini: RealAgent, model_server: ModelServer
) -> None:
    folder = gemini.folder / "home" / ".gemini"
    folder.mkdir()
    users = """{ // mine
        "model": {"name": "gemini-3.1-pro-preview", "maxSessionTurns": 0}, /* "x" */
        "security": {"auth": {"selectedType": "gemini-api-key"}, "disableYoloMode": true},
        "general": {"sessionRetention": {"enabled": true}, "maxAttempts": 9},
        "tools": {"allowed": ["run_shell_command", "write_file"], "exclude": ["read_file"]},
        "mcpServers": {"mine": {"command": "touch", "args": ["%s"], "trust": true}}
    }""" % (gemini.folder / "ran")
    (folder / "settings.json").write_text(users)
    (folder / "policies").mkdir()
    (folder / "policies" / "mine.toml").write_text('[[rule]]\ntoolName = "*"\ndecision = "allow"\npriority = 999\n')
    outcome = gemini.ask('TOOL:write_file {"file_path": "x.txt", "content": "x"}')
    assert outcome.error is None
    assert model_server.log()[0]["model"] == "gemini-3.1-pro-preview"
    offered = {tool["name"] for tool in model_server.log(bodies=True)[0]["body"]["tools"][0]["functionDeclarations"]}
    assert "read_file" not in offered, "what leaves tools out applies"
    assert not offered & {"write_file", "run_shell_command", "exit_plan_mode"}
    assert not (gemini.work / "x.txt").exists()
    assert not (gemini.folder / "ran").exists()
    assert (folder / "settings.json").read_text() == users


PROMPTS = ("/cost", "--help", "update", "see @secret.txt", "-p x", "mcp list")


def test_lesson_78_words_arrive_as_text_at_gemini(gemini: RealAgent, model_server: ModelServer) -> None:
    (gemini.work / "secret.txt").write_text("the canary sings")
    commands = gemini.work / ".gemini" / "commands"
    commands.mkdir(parents=True)
    (commands / "cost.toml").write_text('prompt = "hostile words !{touch ran}"\n')
    running = [gemini.start(prompt) for prompt in PROMPTS]
    assert {run.finish().error for run in running} == {None}
    sent = {entry["words"] for entry in model_server.log()}
    assert {words.replace("\\@", "@").strip() for words in sent} == set(PROMPTS)
    assert "canary" not in json.dumps(model_server.log(bodies=True))


def test_lesson_22_200_kilobytes_arrive_at_gemini_and_come_back(gemini: RealAgent, model_server: ModelServer) -> None:
    numbers = "€ " + " ".join(map(str, range(36_000)))  # nothing twice: Gemini CLI takes that for a loop
    outcome = gemini.ask(f"SAY:{numbers}")
    arrived, came_back = model_server.log()[-1]["words"] == f"SAY:{numbers}", outcome.text == numbers
    assert (len(numbers) > 200_000, arrived, came_back) == (True, True, True)


FAILURES = {
    ("forbidden", "SAY:x"): "auth_required",
    ("any", "FAIL:400"): "provider_failed",
    ("any", "REFUSE"): "provider_failed",
    ("any", "DROP"): "overloaded",
}


def test_lesson_85_failures_of_gemini_are_named_within_seconds(gemini: RealAgent) -> None:
    running = {}
    for key, prompt in FAILURES:
        gemini.environ["GEMINI_API_KEY"] = key
        running[key, prompt] = gemini.start(prompt)
    passing = gemini.start("FAIL:529:1\nSAY:at last")
    outcomes = {asked: run.finish() for asked, run in running.items()}
    passed = passing.finish()
    assert (passed.text, passed.error, passed.summary.run.retries) == ("at last", None, 1)
    assert "attempt 1 failed (503)" in [event.text for event in passed.events]
    assert {asked: outcome.error for asked, outcome in outcomes.items()} == FAILURES
    assert all(outcome.failure and outcome.failure.provider_message for outcome in outcomes.values())
    assert max(outcome.seconds for outcome in outcomes.values()) < 60
    assert list((gemini.folder / "tmp").iterdir()) == [], "a report with the whole conversation was left behind"


def test_without_a_login_the_way_to_one_is_told(gemini: RealAgent, model_server: ModelServer) -> None:
    del gemini.environ["GEMINI_API_KEY"]
    outcome = gemini.ask("SAY:x")
    assert outcome.error == "auth_required"
    assert outcome.failure
    assert "GEMINI_API_KEY" in (outcome.failure.recovery or "")
    assert model_server.log() == []


def test_lesson_75_an_unknown_conversation_of_gemini_is_not_begun(gemini: RealAgent, model_server: ModelServer) -> None:
    assert gemini.ask("SAY:x", after="00000000-0000-4000-8000-000000000000").error == "session_not_found"
    assert model_server.log() == []


def test_max_turns_end_a_run_of_gemini_with_their_name(gemini: RealAgent) -> None:
    outcome = gemini.ask("\n".join('TOOL:list_directory {"dir_path": "."}' for _ in range(4)), max_turns=2)
    assert outcome.error == "provider_failed"
    assert outcome.failure
    assert "maxTurns" in outcome.failure.message


def test_trap_4_and_6_a_run_that_is_told_to_end_does_so_and_is_no_success(
    gemini: RealAgent, signal_pipe: SignalPipe
) -> None:
    shell = json.dumps({"command": f"sh -c 'echo $$ > {signal_pipe.path}; exec sleep 300'"})
    running = gemini.start(f"TOOL:run_shell_command {shell}", Posture.BYPASS)
    child = signal_pipe.wait()
    step = gemini.info.of("gemini").end_steps[0]
    running.process.send_signal(step.signal)
    asked_at = idle_clock()
    outcome = running.finish()
    assert idle_clock() - asked_at < step.grace_s
    assert (outcome.code, outcome.error, outcome.text) == (0, "interrupted", "calling")
    os.killpg(int(child), signal.SIGKILL)  # it lives on, which is why the gateway ends every descendant itself
