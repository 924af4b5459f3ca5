"""Prompts arrive as they were written, or nothing runs."""

from __future__ import annotations

from typing import Any

import pytest

from llm_gateway.errors import InputTooLarge, InvalidRequest
from tests.integration.gateway.world import Home, refused

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "prompt",
    [
        "--help",
        "-p",
        "/clear",
        "@/etc/passwd what is this?",
        "exec",
        "resume --last",
        "$(touch hacked) `id` ; rm -rf /",
        "two\nlines\r\nand a tab\t",
        "  space around  ",
        "null: \\0 \\u0000, bell: \a, escape: \x1b[31m",
        "\ufeffbyte order, \u202eright to left, 👩‍👩‍👧 and ß",
    ],
)
async def test_lesson_78_a_prompt_is_text_whatever_it_looks_like(home: Home, prompt: str) -> None:
    async with home.open() as caller:
        told = await caller.ask(prompt)
    assert told["text"] == f"echo: {prompt}"
    assert list(home.work.iterdir()) == []


async def test_lesson_22_ten_million_bytes_arrive(home: Home) -> None:
    prompt = ("ä" * 4_999_990)[:4_999_990] + "the end"
    async with home.open() as caller:
        told = await caller.ask(prompt)
        tail = await caller.result(told["jobId"], offset=4_999_990)
        job_files = (home.folder(told["jobId"]) / "spec.json").read_text()
    assert told["status"] == "completed"
    assert tail["text"] == "ääääääthe end"
    assert "the end" not in job_files


async def test_lesson_23_a_program_that_reads_no_prompt_and_fails_is_a_failure(home: Home) -> None:
    deaf = home.work / "deaf"
    deaf.write_text("#!/bin/sh\nexit 4\n")
    deaf.chmod(0o755)
    home.set(providers__echo__executable=deaf)
    async with home.open() as caller:
        told = await caller.ask("x" * 5_000_000)
    assert (told["status"], told["error"]["code"], told["exitCode"]) == ("failed", "provider_failed", 4)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"prompt": ""}, "blank"),
        ({"prompt": " \n\t "}, "blank"),
        ({"prompt": "one\0two"}, "NUL"),
        ({"prompt": "half \ud83d pair"}, "surrogate"),
        ({"prompt": 7}, "prompt: "),
        ({"prompt": None}, "one of prompt or promptParts is required"),
        ({"prompt": "x", "promptParts": {"task": "y"}}, "provide exactly one of prompt or promptParts"),
        ({"prompt": None, "promptParts": {"context": "y"}}, "promptParts.task is required"),
        ({"prompt": None, "promptParts": {"task": "y", "sytem": "z"}}, "unknown parameter promptParts.sytem"),
        ({"prompt": None, "promptParts": {"task": " ", "system": "z"}}, "blank"),
        ({"prompt": None, "promptParts": {"task": "y", "tools": "\0"}}, "NUL"),
        ({"model": "--danger"}, "model: "),
        ({"model": "a\0b"}, "NUL"),
        ({"allowedTools": ["Read", "-x"]}, "allowedTools"),
        ({"workingDir": "nowhere/at/all"}, "there is no directory"),
        ({"workingDir": "/etc/passwd"}, "there is no directory"),
        ({"workingDir": "a\0b"}, "NUL"),
        ({"addDirs": ["/", "/nowhere/at/all"]}, "addDirs: there is no directory"),
    ],
    ids=str,
)
async def test_lesson_24_what_cannot_be_passed_on_is_refused_before_anything_runs(
    home: Home, arguments: dict[str, Any], words: str
) -> None:
    asked = {"prompt": "hello", "workingDir": str(home.work), **arguments}
    async with home.open() as caller:
        given = {name: value for name, value in asked.items() if value is not None}
        error = await refused(InvalidRequest, caller.call("echo_request", **given))
        assert words in error.message
        assert "\0" not in error.message
        assert await caller.jobs() == []
    assert home.folders() == []


async def test_a_prompt_above_ten_million_bytes_is_refused(home: Home) -> None:
    async with home.open() as caller:
        await refused(InputTooLarge, caller.ask("ä" * 5_000_001))
        assert await caller.jobs() == []
    assert home.folders() == []


async def test_prompt_parts_are_joined_in_one_order_and_their_prefix_is_recorded(home: Home) -> None:
    parts = {"task": "do it", "system": "be brief", "context": "here", "cacheControl": {"system": True}}
    async with home.open() as caller:
        told = await caller.call("echo_request", promptParts=parts, workingDir=str(home.work))
        other = await caller.call("echo_request", promptParts={**parts, "task": "more"}, workingDir=str(home.work))
        records = await caller.gateway.store.list_records()
    assert told["text"] == "echo: be brief\n\nhere\n\ndo it"
    assert other["text"] == "echo: be brief\n\nhere\n\nmore"
    assert len({record.prefix_sha256 for record in records}) == 1
    assert records[0].prefix_bytes == len("be brief\n\nhere")
    assert [warning["code"] for warning in told["warnings"]] == ["cache_control_unsupported"]
