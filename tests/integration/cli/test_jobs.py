"""`llm-gateway jobs`."""

from __future__ import annotations

HANG = ("--param", "scenario=hang")


def test_jobs_are_listed_shown_and_filtered(command) -> None:
    assert command.run("jobs", "list").stdout == "no jobs\n"
    job_id = command.begin("hello")
    assert command.run("jobs", "wait", job_id).returncode == 0
    (job,) = command.json("jobs", "list", "--provider", "echo")["jobs"]
    assert (job["id"], job["title"]) == (job_id, "hello")
    assert command.json("jobs", "list", "--status", "failed")["jobs"] == []
    table = command.run("jobs", "list").stdout.splitlines()
    assert table[0].split()[:3] == ["JOB", "STATUS", "PROVIDER"]
    assert table[1].split()[:3] == [job_id, "completed", "echo"]
    assert table[1].endswith("  hello")
    assert command.run("jobs").stdout.splitlines()[0] == table[0]
    assert command.run("jobs", "--wide").stdout.splitlines()[0].split()[-2:] == ["DIRECTORY", "TITLE"]
    assert command.json("jobs", "--status", "failed")["jobs"] == []
    assert command.json("jobs", "show", job_id)["job"]["status"] == "completed"
    assert "completed" in command.run("jobs", "show", job_id).stdout


def test_an_id_can_be_typed_by_its_beginning_or_as_last(command) -> None:
    first, second = command.begin("one"), command.begin("two")
    assert command.run("jobs", "wait", first, second[:-6]).returncode == 0
    assert command.run("jobs", "result", first[4:-4]).stdout == "echo: one\n"
    assert command.run("jobs", "result", "last").stdout == "echo: two\n"
    done = command.run("jobs", "cancel", "job-")
    assert done.returncode == 2
    assert first in done.stderr
    assert second in done.stderr


def test_a_job_whose_request_is_not_kept_has_no_title(command) -> None:
    command.environ["LLM_GATEWAY_JOBS_KEEP_OUTPUT"] = "until_fetched"
    assert command.run("ask", "echo", "confidential").returncode == 0
    assert "confidential" not in command.run("jobs", "--wide").stdout
    assert "title" not in command.json("sessions")["sessions"][0]


def test_an_unknown_word_names_the_nearest_known_one(command) -> None:
    for words, hint in ((("jbs",), "did you mean jobs?"), (("jobs", "lst"), "did you mean list?")):
        done = command.run(*words)
        assert done.returncode == 2
        assert hint in done.stderr


def test_a_job_that_is_nobodys_is_wrong_usage(command) -> None:
    for verb in ("show", "tail", "wait", "cancel", "result"):
        done = command.run("jobs", verb, "job-1")
        assert done.returncode == 2, verb
        assert "there is no job job-1" in done.stderr


def test_tail_tells_what_the_agent_does_and_then_its_reply(command) -> None:
    job_id = command.begin("hello", "--param", "scenario=steps", "--param", "delayMs=200")
    done = command.run("jobs", "tail", job_id)
    assert done.returncode == 0
    assert done.stdout == "echo: hello\n"
    assert "▸ Read: file 3 of 3" in done.stderr
    again = command.run("jobs", "tail", job_id)
    assert again.stderr == done.stderr


def test_a_wait_whose_time_is_over_is_exit_code_3(command) -> None:
    job_id = command.begin("hello", *HANG)
    found = command.json("jobs", "wait", job_id, "--timeout", "0.1", code=3)
    assert found["pending"] == [job_id]


def test_a_wait_for_any_returns_with_the_first(command) -> None:
    slow, quick = command.begin("slow", *HANG), command.begin("quick")
    assert command.json("jobs", "wait", slow, quick, "--any")["pending"] == [slow]


def test_a_wait_for_a_job_that_failed_is_exit_code_1(command) -> None:
    good, bad = command.begin("good"), command.begin("bad", "--param", "scenario=crash")
    assert command.run("jobs", "wait", good, bad).returncode == 1


def test_cancel_ends_a_job_whatever_started_it(command) -> None:
    job_id = command.begin("hello", *HANG)
    assert command.run("jobs", "cancel", job_id).stdout == f"{job_id} canceled\n"
    assert command.run("jobs", "cancel", job_id).returncode == 0
    done = command.run("jobs", "result", job_id)
    assert done.returncode == 1
    assert "canceled" in done.stderr


def test_a_result_can_be_had_raw_byte_for_byte(command) -> None:
    job_id = command.begin("x", "--param", "scenario=odd_writes", "--param", "amount=700000")
    assert command.run("jobs", "wait", job_id).returncode == 0
    kept = (command.home / "jobs" / job_id / "stdout").read_bytes()
    assert len(kept) > 2_000_000
    assert command.run("jobs", "result", job_id, "--raw", "stdout").stdout.encode() == kept
    assert command.run("jobs", "result", job_id, "--raw", "stderr").stdout == ""


def test_a_long_reply_is_printed_whole(command) -> None:
    done = command.run("ask", "echo", "x", "--async", "--param", "scenario=long_line", "--param", "amount=2500000")
    job_id = done.stdout.strip()
    assert command.run("jobs", "wait", job_id).returncode == 0
    assert len(command.run("jobs", "result", job_id).stdout) == 2_500_001
