"""The project's instruction files apply; programs that the user's settings name do not start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anyio import to_thread

from llm_gateway import Loopback, ProviderInfo
from llm_gateway_extension_verify.checks.check import Breach, Check, Differs, Skipped, completed
from llm_gateway_extension_verify.checks.project import TOML_DIALECTS, hostile_files, set_trap, what_it_said
from llm_gateway_extension_verify.own_files import expanded
from llm_gateway_extension_verify.surroundings import Surroundings

_CANARY = "instruction-5127-of"


async def applies_instructions(around: Surroundings) -> None:
    """Run in a project with every instruction file that the program reads there."""
    work = around.folder("instructed")
    names = await to_thread.run_sync(_instruction_files, around, work)
    if not names:
        raise Skipped("its plugin names no instruction file of a project")
    for name in names:
        (work / name).write_text(f"{_CANARY}-{name}\n")
    with around.seen() as asked:
        completed(await around.ask("SAY:instructed", workingDir=str(work)))
    bodies = " ".join(str(entry.get("body")) for entry in asked)
    if _CANARY not in bodies:
        raise Differs(f"the model was given none of these instruction files: {', '.join(names)}")


def _instruction_files(around: Surroundings, work: Path) -> list[str]:
    """Return the names of the Markdown files that the program reads directly in a working directory."""
    paths = map(Path, around.info.config_files(around.environ, str(work)))
    return sorted({path.name for path in paths if path.parent == work and path.suffix == ".md"})


async def starts_nothing_of_the_user(around: Surroundings) -> None:
    """Run with a user whose own settings name hooks, MCP servers and a status line."""
    problems = []
    for dialect in TOML_DIALECTS:
        answer, was_asked, trapped = await _run_with_settings(around, dialect)
        # Raised here: an exception that leaves an open gateway is wrapped into a group.
        if trapped.exists():
            raise Breach(f"the user's settings started a program: {what_it_said(trapped)}")
        if was_asked:
            return
        problems.append(answer.get("error", {}).get("providerMessage") or answer["status"])
    raise Differs(f"with settings of the user the model was not asked: {problems[-1]}")


async def _run_with_settings(around: Surroundings, dialect: str) -> tuple[dict[str, Any], bool, Path]:
    """Return the answer, whether the model was asked, and the file in which the trap notes its start."""
    async with around.changed(f"user-{dialect}") as other:
        trap, trapped = set_trap(other.home, other.root / "trapped")
        files = hostile_files(other.info, Loopback(), str(trap), "", dialect)
        contents = {Path(name).name: text for name, text in files.items()}
        for pattern in other.info.own_settings:
            path = expanded(pattern, other.environ)
            if path is not None and path.name in contents and path.is_relative_to(other.home):
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.write_text(contents[path.name])
        with other.seen() as asked:
            answer = await other.ask("SAY:settled")
        return answer, bool(asked), trapped


def _no_settings(info: ProviderInfo, loopback: Loopback) -> str:
    return "" if info.own_settings else "its plugin names no settings of the user"


CHECKS = [
    Check(
        id="instructions",
        summary="The instruction files of a project reach the model.",
        run=applies_instructions,
    ),
    Check(
        id="user-settings",
        summary="Hooks, MCP servers and status lines of the user's own settings do not start.",
        run=starts_nothing_of_the_user,
        unless=_no_settings,
    ),
]
