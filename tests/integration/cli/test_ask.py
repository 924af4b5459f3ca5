"""`llm-gateway ask`."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess

import pytest


def test_the_reply_and_nothing_else_goes_to_stdout(command) -> None:
    done = command.run("ask", "echo", "hello")
    assert (done.returncode, done.stdout, done.stderr) == (0, "echo: hello\n", "")


def test_a_prompt_comes_from_stdin(command) -> None:
    assert command.run("ask", "echo", "-", stdin="zwölf €\n".encode()).stdout == "echo: zwölf €\n"
    assert command.run("ask", "echo", "-", stdin=b"\xff").returncode == 2


def test_json_is_the_result_object(command) -> None:
    result = command.json("ask", "echo", "hello", "--dir", str(command.home.parent), "--posture", "plan")
    assert (result["status"], result["text"], result["resumable"]) == ("completed", "echo: hello", True)
    assert result["approval"]["posture"] == "plan"
    again = command.json("ask", "echo", "and now", "--session", result["gatewaySessionId"])
    assert again["sessionId"] == result["sessionId"]


def test_lesson_26_the_same_question_again_is_told_to_be_the_same_job(command, tmp_path) -> None:
    (tmp_path / "work").mkdir()
    words = ("ask", "echo", "hello", "--dir", str(tmp_path / "work"))
    command.environ["LLM_GATEWAY_REUSE_BUDGET_S"] = "20"
    first = command.json(*words)
    second = command.json(*words, "--param", "createNewSession=true")
    assert second["jobId"] == first["jobId"]
    assert second["deduplicated"] is True
    assert second["originalStartedAt"]
    assert "use --new for a new run" in second["reused"]
    told = command.run(*words)
    assert told.stdout == "echo: hello\n"
    assert re.search(r"answer from \d\d:\d\d, .+ ago; use --new for a new run", told.stderr)


def test_new_always_runs_and_what_it_answered_is_reused_from_then_on(command, tmp_path) -> None:
    (tmp_path / "work").mkdir()
    words = ("ask", "echo", "hello", "--dir", str(tmp_path / "work"))
    command.environ["LLM_GATEWAY_REUSE_BUDGET_S"] = "20"
    jobs = [command.json(*words, *more)["jobId"] for more in ([], ["--new"], ["--new"], [])]
    assert len(set(jobs)) == 3
    assert jobs[3] == jobs[2]


def test_a_failed_job_is_exit_code_1_with_the_reason(command) -> None:
    done = command.run("ask", "echo", "hello", "--param", "scenario=quota")
    assert done.returncode == 1
    assert "quota_exhausted" in done.stderr
    result = command.json("ask", "echo", "hello", "--param", "scenario=quota", code=1)
    assert result["error"]["code"] == "quota_exhausted"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["ecko", "hi"], "did you mean echo?"),
        (["echo", " "], "blank"),
        (["echo", "hi", "--param", "scenari=x"], "did you mean scenario?"),
        (["echo", "hi", "--param", "scenario"], "name=value"),
        (["echo", "hi", "--timeout", "soon"], "90s"),
        (["echo", "hi", "--dir", "/nowhere/at/all"], "no directory"),
        (["echo", "hi", "--new", "--resume-latest"], "not allowed with"),
        (["echo", "hi", "--model", "m", "--param", "model=n"], "given twice"),
    ],
    ids=["provider", "blank", "unknown", "no-value", "time", "directory", "exclusive", "twice"],
)
def test_wrong_usage_is_exit_code_2_with_a_hint(command, words, told) -> None:
    done = command.run("ask", *words)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_refused_request_is_json_too(command) -> None:
    answer = command.json("ask", "echo", "hi", "--param", "scenari=x", code=2)
    assert answer["error"]["code"] == "invalid_request"


def test_a_time_limit_ends_the_run(command) -> None:
    answer = command.json("ask", "echo", "hi", "--param", "scenario=hang", "--timeout", "0.5s", code=1)
    assert answer["error"]["code"] == "timeout"


def test_async_prints_the_id_of_a_job_that_has_a_process(command) -> None:
    job_id = command.begin("later", "--param", "scenario=steps", "--param", "delayMs=200")
    assert command.run("jobs", "wait", job_id).returncode == 0
    assert json.loads(command.run("ask", "echo", "b", "--async", "--json").stdout)["job"]["id"].startswith("job-")


def test_a_person_sees_what_the_agent_does_and_ctrl_c_detaches(command) -> None:
    master, slave = os.openpty()
    words = ["ask", "echo", "look", "--param", "scenario=steps", "--param", "amount=1", "--param", "delayMs=60000"]
    with command.start(*words, stdout=subprocess.PIPE, stderr=slave) as process:
        os.close(slave)
        try:
            seen = read_until(master, b"Read: file 1 of 1")
            process.send_signal(signal.SIGINT)
            seen = read_until(master, b"jobs wait job-")
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130
            seen += read_until(master, b"")
        finally:
            os.close(master)
    assert b"Traceback" not in seen
    (job,) = command.json("jobs", "list")["jobs"]
    assert job["status"] == "running"


def read_until(master: int, wanted: bytes) -> bytes:
    """Everything on a terminal until these bytes; without bytes, to its end."""
    seen = b""
    while not wanted or wanted not in seen:
        try:
            data = os.read(master, 4096)
        except OSError:  # nobody holds the other end any more
            data = b""
        if not data:
            assert not wanted, seen
            break
        seen += data
    return seen
