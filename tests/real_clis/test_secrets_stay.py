"""With every tool for files allowed, no real program reads or writes `~/.ssh` under `mcp_managed`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.real_clis.through_mcp import gateway_of
from tests.real_clis.tools import call, shell, write

if TYPE_CHECKING:
    from tests.conftest import ModelServer
    from tests.real_clis.agent import RealAgent

pytestmark = pytest.mark.anyio
SECRET = "key-that-nobody-may-see"
MANAGED = {"approvalStrategy": "mcp_managed"}
#: Every tool for files that a caller can allow.
BARE = {
    "claude": ["Read", "Write", "Edit", "MultiEdit", "NotebookEdit", "Glob", "Grep", "LS"],
    "grok": ["Read", "Write", "Edit", "Grep", "Glob"],
    "gemini": ["read_file", "read_many_files", "list_directory", "glob", "grep_search", "write_file", "replace"],
    "mistral": ["read_file", "grep", "write_file", "edit"],
}
#: Entries that name the place, in the program's own syntax.
NAMED = {
    "claude": ["Read(~/.ssh/**)", "Write(~/.ssh/**)", "Read(//etc/**)", "Edit(~/**)", "Read(//**)", "Grep(~/.s*/**)"],
    "grok": ["Read(~/.ssh/**)", "Edit(~/.ssh/**)", "Read(/etc/**)", "Edit(/**)"],
}


def looks(agent: str, key: Path, link: Path) -> list[str]:
    """Every way to look at the key: by its path, up from the working directory, by the home's sign, by a planted link."""
    paths = [str(key), "../home/.ssh/id_rsa", "~/.ssh/id_rsa", str(link / "id_rsa")]
    folders = [str(key.parent), str(link)]
    if agent == "claude":
        found = [call("Read", file_path=path) for path in paths]
        found += [call("Grep", pattern="key", path=place, output_mode="content") for place in folders]
        return [*found, *(shell(agent, f"cat {path}") for path in paths)]
    if agent == "grok":
        found = [call("read_file", target_file=path) for path in paths]
        return [*found, *(call("grep", pattern="key", path=place) for place in folders)]
    if agent == "gemini":
        found = [call("read_file", file_path=path) for path in paths]
        found += [call("read_many_files", include=paths)]
        return [*found, *(call("grep_search", pattern="key", dir_path=place) for place in folders)]
    found = [call("read_file", path=path) for path in paths]
    found += [call("grep", pattern="key", path=place) for place in folders]
    return [*found, *(shell(agent, f"cat {path}") for path in paths)]


def inside(agent: str, path: Path) -> str:
    """A look at a file in the working directory."""
    if agent == "grok":
        return call("read_file", target_file=str(path))
    tool, argument = {"claude": ("Read", "file_path"), "gemini": ("read_file", "file_path")}.get(
        agent, ("read_file", "path")
    )
    return call(tool, **{argument: str(path)})


@pytest.mark.parametrize("name", BARE)
async def test_lesson_103_bare_tools_for_files_stay_in_the_working_directory(
    name: str, request: pytest.FixtureRequest, model_server: ModelServer
) -> None:
    agent: RealAgent = request.getfixturevalue(name)
    safe = Path(agent.environ["HOME"]) / ".ssh"
    safe.mkdir()
    (safe / "id_rsa").write_text(SECRET)
    link = agent.work / "link"
    link.symlink_to(safe)
    (agent.work / "in.txt").write_text("inner words")
    async with gateway_of(agent) as caller:
        tries = [*looks(name, safe / "id_rsa", link), inside(name, agent.work / "in.txt")]
        writes = [write(name, path) for path in (safe / "new", link / "new", agent.work / "in-new.txt")]
        # A call of Grok's that would need a human ends the turn, so each is a turn of its own there.
        for words in [*tries, *writes] if name == "grok" else ["\n".join(tries), "\n".join(writes)]:
            told = await caller.ask(words, allowedTools=BARE[name], createNewSession=True, forceRefresh=True, **MANAGED)
            assert told["approval"]["policy"] == "managed", told
    log = json.dumps(model_server.log(bodies=True))
    assert SECRET not in log, "it was read"
    assert "inner words" in log, "inside, they work, and every call was made"
    assert [path.name for path in safe.iterdir()] == ["id_rsa"], "it was written to"
    assert (safe / "id_rsa").read_text() == SECRET
    assert (agent.work / "in-new.txt").read_text() == "written", "inside, they work, and every call was made"


@pytest.mark.parametrize("name", NAMED)
async def test_lesson_103_a_tool_that_names_a_sensitive_place_is_denied_before_anything_runs(
    name: str, request: pytest.FixtureRequest, model_server: ModelServer
) -> None:
    agent: RealAgent = request.getfixturevalue(name)
    (Path(agent.environ["HOME"]) / ".ssh").mkdir()
    async with gateway_of(agent) as caller:
        for entry in NAMED[name]:
            told = await caller.ask("SAY:x", allowedTools=[entry], **MANAGED)
            assert told["error"]["code"] == "approval_denied", (entry, told)
    assert model_server.log() == []
