"""What allowedTools opens in Claude Code, and how a tool without a pattern is limited to its directory."""

from __future__ import annotations

from typing import Any

import pytest

from llm_gateway import Access, NativeSessionId, Opened, Posture, Prompt, Request, Resume
from llm_gateway_provider_claude.argv import build
from llm_gateway_provider_claude.places import EDITING, LOOKING, opens

FRESH = Resume(native_id=NativeSessionId("2f0d8a5e-9c7b-4b56-8f0b-0d3f6f5c1a11"))


def request(*entries: str, **asked: Any) -> Request:
    return Request(provider="claude", prompt=Prompt(text="x"), working_dir="/srv/w", allowed_tools=entries, **asked)


def allowed(*entries: str, **asked: Any) -> list[str]:
    argv = build(request(*entries, **asked), Posture.PROMPTED, FRESH).argv
    return [part.removeprefix("--allowedTools=") for part in argv if part.startswith("--allowedTools=")]


@pytest.mark.parametrize("tool", sorted(LOOKING))
def test_lesson_103_a_reading_tool_without_a_pattern_is_limited_to_the_directory(tool: str) -> None:
    assert allowed(tool, add_dirs=("/more",)) == [f"{tool}(./**)"]
    assert opens(request(tool)) == [Opened(entry=tool, access=Access.LOOK)]


@pytest.mark.parametrize("tool", sorted(EDITING))
def test_lesson_103_an_editing_tool_without_a_pattern_is_limited_to_the_directory(tool: str) -> None:
    assert allowed(tool) == ["Edit(./**)"]
    assert allowed(tool, add_dirs=("/more",)) == ["Edit(./**)", "Edit(//more/**)"]
    assert allowed(tool, add_dirs=("/od[d]",)) == ["Edit(./**)"], (
        "a directory name with pattern characters opens nothing"
    )
    assert opens(request(tool)) == [Opened(entry=tool, access=Access.EDIT)]


def test_a_pattern_of_an_editing_tool_becomes_an_edit_rule() -> None:
    assert allowed("Write(src/**)", "Read(src/**)", "Bash(git *)") == ["Edit(src/**)", "Read(src/**)", "Bash(git *)"]


OPENED = [
    ("Read(src/**)", Access.LOOK, ("/srv/w/src",)),
    ("Read(./**)", Access.LOOK, ("/srv/w",)),
    ("Read(~/.ssh/**)", Access.LOOK, ("~/.ssh",)),
    ("Write(//etc/**)", Access.EDIT, ("/etc",)),
    ("Edit(/etc/**)", Access.EDIT, ("/etc", "/srv/w/etc")),
    ("Edit(../other/**)", Access.EDIT, ("/srv/other",)),
    ("Read(src/*/../../../etc/*)", Access.LOOK, ("/",)),
    ("Grep(**)", Access.LOOK, ("/srv/w",)),
    ("R*", Access.LOOK, ("/",)),
    ("W*", Access.EDIT, ("/",)),
    ("read", Access.LOOK, ("/",)),
    ("B*", Access.SHELL, ()),
    ("Bash", Access.SHELL, ()),
    ("Bash(git *)", Access.SHELL_COMMAND, ()),
    ("mcp__search", Access.SERVER, ()),
    ("WebFetch", Access.OTHER, ()),
]


@pytest.mark.parametrize(("entry", "access", "places"), OPENED)
def test_what_an_entry_of_allowed_tools_opens_in_claude(entry: str, access: Access, places: tuple[str, ...]) -> None:
    assert opens(request(entry)) == [Opened(entry=entry, access=access, places=places)]
