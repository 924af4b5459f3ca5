"""Every check accepts a program that keeps its promises, and detects one that breaks the promise of this check."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from llm_gateway_extension_verify.checks import checks_of, wanted
from llm_gateway_extension_verify.making import make
from llm_gateway_extension_verify.surroundings import Program, start_services, surroundings
from tests.integration.verify import plugin

pytestmark = pytest.mark.anyio

FAILURES = ("bad-key", "no-key", "bad-model", "429", "429-long", "500", "dropped", "refused")
#: What is broken -> the check that must see it, and how it calls it.
BROKEN = {
    "starts": ("starts", "differs"),
    "probes-quiet": ("probes-quiet", "differs"),
    "answer": ("answer", "differs"),
    "prompt-as-text": ("prompt-as-text", "differs"),
    "prompt-reads-files": ("prompt-as-text", "breach"),
    "resume": ("resume", "differs"),
    "resume-unknown": ("resume-unknown", "differs"),
    "usage": ("usage", "differs"),
    "posture-look": ("posture:read_only", "breach"),
    "posture-edit": ("posture:accept_edits", "breach"),
    "posture-work": ("posture:workspace_write", "breach"),
    "posture-less": ("posture:accept_edits", "differs"),
    "hostile-project": ("hostile-project", "breach"),
    "user-settings": ("user-settings", "breach"),
    "instructions": ("instructions", "differs"),
    **{f"failure:{name}": (f"failure:{name}", "differs") for name in FAILURES},
    "signals": ("signals", "differs"),
    "mcp": ("mcp", "differs"),
    "flags": ("flags", "differs"),
    "shape": ("shape", "differs"),
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def imitation(folder: Path, *broken: str) -> Path:
    """The program, with these promises broken."""
    source = Path(__file__).with_name("imitation.py").read_text("utf-8")
    program = folder / "imitation"
    program.write_text(f"#!{sys.executable} -I\n" + source.replace("frozenset()", f"frozenset({broken!r})", 1))
    program.chmod(0o755)
    return program


async def statuses(folder: Path, program: Path, *only: str) -> dict[str, tuple[str, str]]:
    """Make checks, without a process of their own and without a namespace: status and detail of each."""
    (folder / "root").mkdir(mode=0o700)
    asked = Program(provider="imitation", path=str(program))
    async with (
        start_services() as services,
        surroundings(asked, folder / "root", services, plugin=plugin) as around,
    ):
        chosen = wanted(checks_of(around.info), quick=False, only=list(only))
        return {result.check: (result.status, result.detail) async for result in make(around, chosen)}


async def test_a_program_that_keeps_its_promises_passes_every_check(tmp_path: Path) -> None:
    made = await statuses(tmp_path, imitation(tmp_path))
    assert {check: result for check, result in made.items() if result[0] != "ok"} == {}
    assert {check for check, _ in BROKEN.values()} <= made.keys()


@pytest.mark.parametrize("promise", BROKEN)
async def test_a_broken_promise_is_detected_by_its_check(promise: str, tmp_path: Path) -> None:
    check, status = BROKEN[promise]
    made = await statuses(tmp_path, imitation(tmp_path, promise), check)
    assert made[check][0] == status, made
    assert made[check][1], "the difference is described"
