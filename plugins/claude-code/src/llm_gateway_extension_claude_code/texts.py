"""The plugin's files, served as resources and prompts: every client gets the same text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from llm_gateway import CallContext, Gateway, PromptTemplate, Resource

#: The Claude Code plugin: what is here is what Claude Code installs.
ASSISTANT = Path(__file__).with_name("assistant")
_SKILLS = ASSISTANT / "skills"
_COMMANDS = ASSISTANT / "commands"
_HEAD = re.compile(r"\A---\n(.*?)\n---\n+", re.S)
_ARGUMENTS = "$ARGUMENTS"


@cache
def _text(path: Path) -> str:
    return path.read_text("utf-8")


def _head(text: str) -> dict[str, str]:
    """The `name: value` lines before the text."""
    found = _HEAD.match(text)
    lines = found[1].splitlines() if found else []
    return {name: value.strip().strip('"') for name, _, value in (line.partition(":") for line in lines)}


def resources() -> Iterator[Resource]:
    """Each file of each skill: `skill://NAME/FILE`."""
    for path in sorted(_SKILLS.rglob("*.md")):
        name = path.relative_to(_SKILLS).as_posix()
        first = next(line for line in _HEAD.sub("", _text(path)).splitlines() if line.startswith("#"))
        yield Resource(
            uri=f"skill://{name}",
            name=name,
            description=_head(_text(path)).get("description") or first.lstrip("# "),
            mime_type="text/markdown",
            read=_Reader(path),
        )


class _Reader:
    """Reads one file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def __call__(self, gateway: Gateway, variables: Mapping[str, str], context: CallContext) -> str:
        return _text(self._path)


def prompts() -> Iterator[PromptTemplate]:
    """Each command."""
    for path in sorted(_COMMANDS.glob("*.md")):
        text = _text(path)
        head = _head(text)
        yield PromptTemplate(
            name=path.stem,
            title=path.stem.capitalize(),
            description=head["description"],
            arguments={"request": head["argument-hint"]},
            render=_Render(_HEAD.sub("", text)),
        )


class _Render:
    """Inserts the arguments into a command's text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __call__(self, given: Mapping[str, str]) -> str:
        return self._text.replace(_ARGUMENTS, given.get("request", "").strip() or "(nothing named)")
