"""What MkDocs is told about links that leave `docs/`, and about README.md, which becomes the first page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s#]+)(#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add README.md as the first page, with its links relative to the docs folder."""
    text = (ROOT / "README.md").read_text("utf-8").replace("](docs/", "](")
    files.append(File.generated(config, "index.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Send links to README.md to the first page, and show links to other files of the repository as plain text."""

    def changed(match: re.Match[str]) -> str:
        image, words, target, anchor = match.groups()
        if "://" in target or image:
            return match.group()
        path = (ROOT / "docs" / Path(page.file.src_uri).parent / target).resolve()
        if path == ROOT / "README.md":
            up = "../" * (len(Path(page.file.src_uri).parts) - 1)
            return f"[{words}]({up}index.md{anchor or ''})"
        if page.file.src_uri == "index.md" and not path.exists():  # README.md stands in the root
            path = (ROOT / target).resolve()
        elsewhere = path.exists() and not path.is_relative_to(ROOT / "docs")  # a target that is missing fails the build
        return f"{words} (`{path.relative_to(ROOT).as_posix()}`)" if elsewhere else match.group()

    return _LINK.sub(changed, markdown)
