"""What the pages tell a reader to type and to follow: every command is understood, every link leads somewhere."""

from __future__ import annotations

import re
import shlex
from itertools import takewhile
from pathlib import Path

import pytest

from llm_gateway.cli.plugin_commands import every_command

pytestmark = pytest.mark.docs

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "core/*.md", "providers/*/*.md", "stores/*/*.md", "plugins/*/*.md")
    for path in ROOT.glob(pattern)
)


def told(path: Path) -> list[list[str]]:
    """The commands of ours, and of make, that begin a line in a page's shell blocks."""
    blocks = re.findall(r"^ *```(?:sh|bash|console)\n(.*?)^ *```", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    commands = []
    for line in "\n".join(blocks).replace("\\\n", " ").splitlines():
        if re.match(r"\s*(exec |\.venv/bin/)?(llm-gateway|make) ", line):
            words = shlex.shlex(
                line.replace("exec ", "").replace(".venv/bin/", ""), posix=True, punctuation_chars="|&;<>"
            )
            words.whitespace_split = True
            commands.append(list(takewhile(lambda word: not set(word) <= set("|&;<>"), words)))
    return commands


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def parser():
    return every_command({})


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_command_of_a_page_is_understood(path: Path, parser) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for words in told(path):
        if words[0] == "llm-gateway":
            parser.parse_args(words[1:])
        else:
            assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE), words


def test_the_readmes_commands_are_seen() -> None:
    seen = [" ".join(words[:2]) for words in told(ROOT / "README.md")]
    assert {"llm-gateway review", "llm-gateway ask", "llm-gateway connect", "make demo", "make wheels"} <= set(seen)


def anchors(text: str) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_link_of_a_page_leads_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        found = path.parent / file if file else path
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(found.read_text("utf-8")), target
