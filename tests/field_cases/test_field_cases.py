"""Outputs from the field, played back through a whole gateway by stand-ins for the agents' programs (see README.md)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import pytest

from llm_gateway import Gateway
from llm_gateway_testing import GatewayFactory
from tests.field_cases.expectations import differences

#: Cases of providers that do not use the provider kit yet. Empty it with them.
PENDING: frozenset[str] = frozenset(
    {
        "agy-recovered-but-error",
        "gemini-no-capacity-429",
        "gemini-quota-per-day-words",
        "gemini-unsupported-client",
        "grok-free-usage-exhausted",
        "grok-out-of-credits",
        "mistral-bad-request-words",
        "mistral-context-words",
    }
)
CASES = Path(__file__).parent / "cases"
EXPECTED: dict[str, dict[str, Any]] = {
    folder.name: json.loads((folder / "expected.json").read_text("utf-8"))
    for folder in sorted(CASES.iterdir())
    if folder.name not in PENDING
}
TIMED = [name for name, expected in EXPECTED.items() if expected.get("resetAt")]
#: One with half an hour of daylight saving, one with 45 minutes, one far to the west, one without any.
ZONES = ("Australia/Lord_Howe", "Pacific/Chatham", "America/Los_Angeles", "Asia/Kolkata")

VERSIONS = {
    "claude": "2.1.330 (Claude Code)",
    "codex": "codex-cli 0.169.0",
    "gemini": "0.61.0",
    "agy": "1.2.14",
    "grok": "grok 1.0.41",
    "vibe": "vibe 3.0.3",
}
#: The case to play lies beside the run's working directory.
STAND_IN = """#!/bin/sh
case " $* " in *" --version "*|*" -V "*) echo "{version}"; exit 0;; esac
case "$1 $2" in "auth status"|"login status") exit 0;; esac
for word in "$@"; do case "$word" in --output-dir=*) out="${{word#--output-dir=}}";; esac; done
cat >/dev/null
case=$(cat "$PWD.case")
if [ -n "$out" ] && [ -f "$case/export.json" ]; then mkdir -p "$out" && cp "$case/export.json" "$out/export.json"; fi
cat "$case/stderr" >&2
cat "$case/stdout"
exit "$(cat "$case/exit")"
"""
FIRST_TURN = """{"type": "system", "subtype": "init", "session_id": "$ID", "model": "m"}
{"type": "result", "subtype": "success", "is_error": false, "result": "first", "session_id": "$ID"}
"""


@pytest.fixture
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The time zone of the gateway and of the programs that it runs."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def stand_ins(tmp_path: Path) -> Path:
    """A folder of programs that print what they are told."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name, version in VERSIONS.items():
        (folder / name).write_text(STAND_IN.format(version=version))
        (folder / name).chmod(0o755)
    (tmp_path / ".codex").mkdir()
    return folder


def test_there_are_cases_of_every_agent() -> None:
    assert {name.partition("-")[0] for name in EXPECTED} == {"claude", "codex", "gemini", "agy", "grok", "mistral"}
    assert len(TIMED) >= 9


@pytest.mark.anyio
@pytest.mark.parametrize("zone", ["UTC"], indirect=True)
@pytest.mark.parametrize("agent", ["claude", "codex", "gemini", "agy", "grok", "mistral"])
async def test_a_caller_is_told_what_really_happened(
    agent: str, zone: str, gateway_factory: GatewayFactory, stand_ins: Path
) -> None:
    names = [name for name in EXPECTED if name.startswith(f"{agent}-")]
    assert await play(names, zone, gateway_factory, stand_ins) == {}


@pytest.mark.anyio
@pytest.mark.parametrize("zone", ZONES, indirect=True)
async def test_lesson_90_a_limits_reset_is_told_in_every_time_zone(
    zone: str, gateway_factory: GatewayFactory, stand_ins: Path
) -> None:
    assert await play(TIMED, zone, gateway_factory, stand_ins) == {}


async def play(names: list[str], zone: str, factory: GatewayFactory, programs: Path) -> dict[str, list[str]]:
    """Play these cases at once; what is not as expected, by case."""
    found: dict[str, list[str]] = {}

    async def one(name: str) -> None:
        before = datetime.now(timezone.utc)
        told = await ask(gateway, factory, name)
        wrong = differences(EXPECTED[name], told, before, zone)
        if wrong:
            found[name] = wrong

    settings = "default_mcp_servers = []\n"
    async with (
        factory.open(settings=settings, programs=[programs], TZ=zone) as gateway,
        anyio.create_task_group() as all_,
    ):
        for name in names:
            all_.start_soon(one, name)
    return found


def first_turn(folder: Path) -> Path:
    """A turn that begins a conversation of its own."""
    folder.mkdir()
    (folder / "stdout").write_text(FIRST_TURN.replace("$ID", str(uuid4())))
    (folder / "stderr").write_text("")
    (folder / "exit").write_text("0")
    return folder


async def ask(gateway: Gateway, factory: GatewayFactory, name: str) -> dict[str, Any]:
    """Send the case's request, each in a directory of its own; where it continues a conversation, after a first turn."""
    expected = EXPECTED[name]
    work = factory.work / name
    work.mkdir()
    case = work.with_name(f"{name}.case")
    flags = [flag for flag in expected["flags"] if flag not in ("--param", "--resume-first")]
    options: dict[str, Any] = dict(flag.split("=", 1) for flag in flags)
    if "outputSchema" in options:
        options["outputSchema"] = json.loads(options["outputSchema"])
    provider = expected["provider"]
    if provider in ("gemini", "agy"):
        options["flavor"], provider = provider, "gemini"
    asked = {"prompt": "go", "workingDir": str(work), **options}
    if "--resume-first" in expected["flags"]:
        case.write_text(str(first_turn(factory.folder / f"{name}.first")))
        first = await factory.call(
            gateway, f"{provider}_request", **{**asked, "prompt": "first"}, createNewSession=True
        )
        asked["sessionId"] = first["gatewaySessionId"]
    else:
        asked["createNewSession"] = True
    case.write_text(str(CASES / name))
    return dict(await factory.call(gateway, f"{provider}_request", **asked, forceRefresh=True))
