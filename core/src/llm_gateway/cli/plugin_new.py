"""`llm-gateway plugin new`: a distribution that passes its tests as it is, to begin from.

A template is a file under `templates/`: `common/` for every kind, then the kind's own. `package__` in its path and `${…}` in its
text are filled in. A template that is a link is somebody else's living code: what it shows cannot go stale.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from string import Template

import llm_gateway
from llm_gateway.cli.exits import Exit
from llm_gateway.cli.failures import UsageError
from llm_gateway.cli.screen import say

TEMPLATES = Path(__file__).parent / "templates"
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def run(options: argparse.Namespace) -> int:
    """Write it."""
    kinds = sorted(path.name for path in TEMPLATES.iterdir() if path.name != "common")
    if options.kind not in kinds:
        raise UsageError(
            f"there is nothing to begin a plugin of kind {options.kind} from; the kinds: {', '.join(kinds)}"
        )
    if not _NAME.fullmatch(options.name):
        raise UsageError(f"{options.name!r} is no name for a plugin: small letters and digits, with _ between")
    distribution = f"llm-gateway-{options.kind}-{options.name.replace('_', '-')}"
    folder = Path(options.into) if options.into else Path(distribution)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is not empty: give another folder with --into")
    for path in write(options.kind, options.name, distribution, folder):
        say(str(folder / path))
    say(f"\nIt passes its tests as it is:\n\n  cd {folder}\n  pip install --editable '.[test]'\n  pytest")
    return Exit.OK


def write(kind: str, name: str, distribution: str, folder: Path) -> list[Path]:
    """Fill the templates in; the paths of what was written, below the folder."""
    package = distribution.replace("-", "_")
    major, minor, *_ = llm_gateway.__version__.split(".")
    words = {
        "kind": kind,
        "name": name,
        "title": name.replace("_", " ").capitalize(),
        "Class": "".join(word.capitalize() for word in name.split("_")),
        "distribution": distribution,
        "package": package,
        "core": f"llm-gateway-core>={major}.{minor},<{major}.{int(minor) + 1}",
    }
    written = []
    for source in [one for part in ("common", kind) for one in sorted((TEMPLATES / part).rglob("*.tmpl"))]:
        below = source.relative_to(TEMPLATES).as_posix().partition("/")[2].removesuffix(".tmpl")
        path = Path(below.replace("package__", package).replace("name__", name))
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(Template(source.read_text("utf-8")).safe_substitute(words), "utf-8")
        written.append(path)
    return written
