"""`llm-gateway plugin new`: create a distribution with a plugin whose tests pass.

The templates are files under `templates/`: `common/` for every kind, and one folder for each kind. `package__` and `name__` in
paths and `${…}` in texts are replaced. A template that is a symlink uses the code of another plugin, so it is always up to date.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from string import Template

import llm_gateway
from llm_gateway.cli.exits import Exit, UsageError
from llm_gateway.cli.screen import say

TEMPLATES = Path(__file__).parent / "templates"
#: What a kind of plugin depends on besides the kernel.
_NEEDED = {"provider": ("llm-gateway-provider-kit",)}
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def run(options: argparse.Namespace) -> int:
    """Run the subcommand."""
    kinds = sorted(path.name for path in TEMPLATES.iterdir() if path.name != "common")
    if options.kind not in kinds:
        raise UsageError(f"{options.kind} is not a kind of plugin; the kinds are: {', '.join(kinds)}")
    if not _NAME.fullmatch(options.name):
        raise UsageError(f"{options.name!r} is not a valid name: use lower-case letters, digits and _ between them")
    distribution = f"llm-gateway-{options.kind}-{options.name.replace('_', '-')}"
    folder = Path(options.into) if options.into else Path(distribution)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists and is not an empty folder: name another folder with --into")
    for path in write(options.kind, options.name, distribution, folder):
        say(str(folder / path))
    say(f"\nInstall it and run its tests:\n\n  cd {folder}\n  pip install --editable '.[test]'\n  pytest")
    return Exit.OK


def write(kind: str, name: str, distribution: str, folder: Path) -> list[Path]:
    """Write the files from the templates. Returns their paths, relative to the folder."""
    package = distribution.replace("-", "_")
    major, minor, *_ = llm_gateway.__version__.split(".")
    versions = f">={major}.{minor},<{major}.{int(minor) + 1}"
    needed = ("llm-gateway-core", *_NEEDED.get(kind, ()))
    replacements = {
        "kind": kind,
        "name": name,
        "NAME": name.upper(),
        "title": name.replace("_", " ").capitalize(),
        "Class": "".join(word.capitalize() for word in name.split("_")),
        "distribution": distribution,
        "package": package,
        "dependencies": json.dumps([f"{each}{versions}" for each in needed]),
    }
    written = []
    sources = [*sorted((TEMPLATES / "common").rglob("*.tmpl")), *sorted((TEMPLATES / kind).rglob("*.tmpl"))]
    for source in sources:
        below = source.relative_to(TEMPLATES).as_posix().partition("/")[2].removesuffix(".tmpl")
        path = Path(below.replace("package__", package).replace("name__", name))
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(Template(source.read_text("utf-8")).safe_substitute(replacements), "utf-8")
        written.append(path)
    return written
