"""`llm-gateway log`: what was asked and answered, as long as it is kept."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from llm_gateway_extension_builtin.records.index import TextIndex, index_path

PLUGINS = "echo,operations,git,records"
FULL = "[records]\ncontent = 'full'\n"


def write_settings(command, text: str) -> None:
    command.home.mkdir(mode=0o700, exist_ok=True)
    (command.home / "config.toml").write_text(text)


@pytest.fixture
def logged(command):
    """A home with two turns."""
    command.environ["LLM_GATEWAY_PLUGINS"] = PLUGINS
    for prompt in ("Explain the parser, please", "Find the race condition"):
        assert command.run("ask", "echo", prompt, "--new").returncode == 0
    return command


def found(command, *words: str) -> list[str]:
    return [turn["prompt"] for turn in command.json("log", *words)["turns"]]


def test_turns_are_listed_newest_first_with_their_texts(logged) -> None:
    assert found(logged) == ["Find the race condition", "Explain the parser, please"]
    assert found(logged, "-n", "1") == ["Find the race condition"]
    assert found(logged, "--provider", "nobody") == []
    assert found(logged, "--since", "1h") == found(logged)
    assert found(logged, "--since", "2999-01-01") == []
    head, row, _ = logged.run("log").stdout.splitlines()
    assert head.split() == ["JOB", "STATUS", "PROVIDER", "AGE", "COST", "PROMPT"]
    assert row.endswith("Find the race condition")


@pytest.mark.parametrize("content", ["none", "full"])
def test_a_search_finds_words_of_prompts_and_answers(logged, content: str) -> None:
    write_settings(logged, FULL.replace("full", content))
    assert found(logged, "-q", "race cond") == ["Find the race condition"]
    assert len(found(logged, "-q", "ECHO")) == 2, "a word of the answers"
    assert found(logged, "-q", "race parser") == []
    assert "race condition" in logged.run("log", "--search", "race").stdout
    assert index_path(logged.home).exists() == (content == "full")


def test_an_index_is_private_has_no_secret_and_is_deleted_when_texts_are_not_to_be_stored(logged) -> None:
    write_settings(logged, FULL)
    logged.environ["ACME_TOKEN"] = "canary-4711-canary"
    assert logged.run("ask", "echo", "my token is canary-4711-canary, see").returncode == 0
    assert found(logged, "-q", "token")
    path = index_path(logged.home)
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"canary" not in path.read_bytes()
    write_settings(logged, FULL.replace("full", "none"))
    assert logged.run("sessions").returncode == 0
    assert not path.exists()


def test_a_damaged_index_does_not_prevent_a_search(logged) -> None:
    write_settings(logged, FULL)
    index_path(logged.home).write_bytes(b"no database " * 1000)
    assert found(logged, "-q", "race") == ["Find the race condition"]


def test_texts_leave_the_index_with_their_jobs(tmp_path: Path) -> None:
    from datetime import datetime, timedelta, timezone

    now = datetime.now(timezone.utc)
    index = TextIndex(tmp_path)
    index.add([("job-old", now - timedelta(days=31), "confidentiality", "x"), ("job-new", now, "newcomer", "y")])
    index.add([("job-new", now, "another text", "z")])
    assert (index.search("confid", 9), index.search("newcomer", 9)) == (["job-old"], ["job-new"])
    index.prune(now - timedelta(days=30))
    assert (index.known(), index.search("confid", 9)) == ({"job-new"}, [])
    index.close()
    assert b"confidentiality" not in index_path(tmp_path).read_bytes()


def test_an_index_of_another_version_is_built_again(tmp_path: Path) -> None:
    connection = sqlite3.connect(index_path(tmp_path))
    connection.executescript("CREATE TABLE turns (x); PRAGMA user_version = 99")
    connection.close()
    index = TextIndex(tmp_path)
    assert index.known() == set()
    index.close()


def test_what_the_job_files_lost_comes_from_the_record(command) -> None:
    command.environ["LLM_GATEWAY_PLUGINS"] = PLUGINS
    write_settings(command, f"{FULL}[jobs]\nkeep_output = 'until_fetched'\n")
    assert command.run("ask", "echo", "remember me").returncode == 0
    assert command.json("log", "show")["prompt"] == "remember me"
    assert found(command, "-q", "remember") == ["remember me"]


def test_without_records_the_log_has_what_the_job_files_have(command) -> None:
    command.environ |= {"LLM_GATEWAY_PLUGINS": PLUGINS, "LLM_GATEWAY_JOBS_KEEP_OUTPUT": "until_fetched"}
    assert command.run("ask", "echo", "forget me").returncode == 0
    assert "forget me" not in command.run("log").stdout
    assert "(not kept)" in command.run("log", "show").stdout


def test_a_turn_is_shown_with_prompt_and_answer(logged) -> None:
    shown = logged.run("log", "show", "last").stdout
    assert "echo: Find the race condition" in shown
    (newest, _) = logged.json("log")["turns"]
    assert logged.json("log", "show", newest["id"][:-5])["reply"] == "echo: Find the race condition"
    assert logged.run("log", "show", "job-0").returncode == 2


def test_an_export_has_whole_texts_oldest_first_and_no_secrets(logged) -> None:
    logged.environ["ACME_TOKEN"] = "canary-4711-canary"
    assert logged.run("ask", "echo", "```\nx\n``` canary-4711-canary").returncode == 0
    lines = [json.loads(line) for line in logged.run("log", "export").stdout.splitlines()]
    assert [line["prompt"][:4] for line in lines] == ["Expl", "Find", "```\n"]
    assert lines[0]["reply"] == "echo: Explain the parser, please"
    page = logged.run("log", "export", "--format", "markdown").stdout
    assert "````text\n```\nx\n``` [redacted]\n````" in page
    assert "canary" not in page + json.dumps(lines)


@pytest.mark.parametrize("words", [("-q", "..."), ("-n", "0"), ("--since", "soon")])
def test_wrong_usage_is_said(command, words: tuple[str, str]) -> None:
    command.environ["LLM_GATEWAY_PLUGINS"] = PLUGINS
    assert command.run("log", *words).returncode == 2
