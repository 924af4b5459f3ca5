"""Give every distribution of this repository a new version.

    python .ci/version.py 0.2.0 [--root FOLDER]

Writes the version into the manifests, the kernel, the assistant's plugin and the install commands of the docs; moves the bounds on
`llm-gateway-*` when the minor version changes; turns the changelog's `[Unreleased]` section into that version's. Standard library only.
"""

from __future__ import annotations

import argparse
import re
import sys
from datetime import datetime, timezone
from pathlib import Path

MANIFESTS = (
    "pyproject.toml",
    "core/pyproject.toml",
    "*/*/pyproject.toml",
    "tests/scenarios/third_party/*/pyproject.toml",
)
PAGES = ("README.md", "CHANGELOG.md", "docs/**/*.md")
PLUGIN = "plugins/claude-code/src/llm_gateway_extension_claude_code/assistant/.claude-plugin/plugin.json"
KERNEL = "core/src/llm_gateway/__init__.py"


def current_version(root: Path) -> str:
    """Read the version from the kernel."""
    match = re.search(r'^__version__ = "([^"]+)"$', (root / KERNEL).read_text("utf-8"), re.MULTILINE)
    if match is None:
        raise SystemExit(f"{KERNEL} names no version")
    return match.group(1)


def bounds(version: str) -> str:
    """Return the requirement that a plugin written for this version has: `>=0.2,<0.3`."""
    major, minor = (int(part) for part in version.split(".")[:2])
    upper = f"0.{minor + 1}" if major == 0 else str(major + 1)
    return f">={major}.{minor},<{upper}"


def rewrite(path: Path, replacements: dict[str, str]) -> None:
    """Replace each text in a file; what does not occur is left alone."""
    before = after = path.read_text("utf-8")
    for old, new in replacements.items():
        after = after.replace(old, new)
    if after != before:
        path.write_text(after, "utf-8")


def set_version(root: Path, new: str, day: str) -> None:
    """Write the new version everywhere. Raises SystemExit for a version that is not newer."""
    old = current_version(root)
    if [int(part) for part in new.split(".")] <= [int(part) for part in old.split(".")]:
        raise SystemExit(f"{new} is not newer than {old}")
    shared = {f'=={old}"': f'=={new}"', bounds(old): bounds(new)}
    theirs = set(root.glob(MANIFESTS[-1]))
    for path in sorted({path for pattern in MANIFESTS for path in root.glob(pattern)}):
        own = {} if path in theirs else {f'\nversion = "{old}"\n': f'\nversion = "{new}"\n'}
        rewrite(path, {**own, **shared})
    for path in sorted({path for pattern in PAGES for path in root.glob(pattern)}):
        rewrite(path, shared)
    rewrite(root / KERNEL, {f'__version__ = "{old}"': f'__version__ = "{new}"'})
    rewrite(root / PLUGIN, {f'"version": "{old}"': f'"version": "{new}"'})
    rewrite(root / "CHANGELOG.md", {"## [Unreleased]\n": f"## [Unreleased]\n\n## [{new}] - {day}\n"})


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("version")
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1])
    given = parser.parse_args()
    if not re.fullmatch(r"\d+\.\d+\.\d+", given.version):
        sys.exit(f"{given.version!r} is not a version like 0.2.0")
    set_version(given.root, given.version, datetime.now(timezone.utc).date().isoformat())
    print(f"all distributions are {given.version} now; look at `git diff`, then run `make test`")


if __name__ == "__main__":
    main()
