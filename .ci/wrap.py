"""Wrap the Markdown pages at 120 columns: `.ci/wrap.py` reports lines that are too long, `.ci/wrap.py --write` wraps them.

Tables, headings, code blocks and words that are longer than a line stay as they are.
"""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[1]
WIDTH = 120
_KEPT = re.compile(r"\s*(\||#{1,6} |<|!\[|\[[^\]]+\]:|---)")  # table, heading, HTML, picture, link target
_ITEM = re.compile(r"(\s*)([-*] |\d+\. )")
_CODE = re.compile(r"(`+)[^`]+?\1")
_TOOLS = Path("docs/reference/tools.md")  # most of its lines are compared with the tools' schemas
_SPACE = "\N{NO-BREAK SPACE}"
# A line that began with one of these would be something else than a paragraph.
_MARK = re.compile(r" (?=(?:[-+*>|]|#{1,6}|\d+[.)])(?: |$))")


def wrapped(text: str) -> str:
    """The page with its paragraphs and list items wrapped at 120 columns."""
    result: list[str] = []
    block: list[str] = []
    fence = ""

    def close() -> None:
        if block:
            result.extend(_filled(block))
            block.clear()

    for line in text.splitlines():
        opening = re.match(r"\s*(```+|~~~+)", line)
        if fence or opening:
            close()
            result.append(line)
            if opening and not fence:
                fence = opening.group(1)
            elif fence and line.strip() == fence:
                fence = ""
        elif not line.strip() or _KEPT.match(line) or line.startswith("    "):
            close()
            result.append(line)
        else:
            if _ITEM.match(line):
                close()
            block.append(line)
    close()
    return "\n".join(result) + "\n"


def _filled(lines: list[str]) -> list[str]:
    if all(len(line) <= WIDTH for line in lines):
        return lines
    item = _ITEM.match(lines[0])
    indent = item.group(0) if item else lines[0][: len(lines[0]) - len(lines[0].lstrip())]
    words = " ".join([lines[0][len(indent) :], *lines[1:]])
    words = re.sub(r"\s+", " ", words)
    words = _CODE.sub(lambda match: match.group().replace(" ", _SPACE), words)
    words = _MARK.sub(_SPACE, words)
    filled = textwrap.wrap(
        words,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=" " * len(indent),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_SPACE, " ") for line in filled]


def pages() -> list[Path]:
    """The manual and every README, without pages that a program writes."""
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],  # noqa: S607
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    found = [Path(name) for name in names.stdout.splitlines() if (ROOT / name).is_file()]
    manual = [page for page in found if len(page.parts) == 1 or page.parts[0] == "docs" or page.name == "README.md"]
    return [
        ROOT / page
        for page in manual
        if page != _TOOLS and "do not edit" not in (ROOT / page).read_text("utf-8")[:500].lower()
    ]


def main() -> int:
    """The exit code: 1 when a page has lines that are too long and was not rewritten."""
    wrong = []
    for page in pages():
        text = page.read_text("utf-8")
        better = wrapped(text)
        if better != text:
            wrong.append(page)
            if "--write" in sys.argv[1:]:
                page.write_text(better, "utf-8")
    for page in wrong:
        print(f"{page.relative_to(ROOT)}: lines longer than {WIDTH} columns; `.ci/wrap.py --write` wraps them")
    return 1 if wrong and "--write" not in sys.argv[1:] else 0


if __name__ == "__main__":
    sys.exit(main())
