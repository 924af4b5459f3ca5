"""The wall, installed for one gateway without an environment of its own: a folder on PYTHONPATH names its entry point."""

from __future__ import annotations

import os
from pathlib import Path

import tomli

ROOT = Path(__file__).parents[2]
WALL = ROOT / "plugins" / "policy-wall"


def with_wall(folder: Path) -> str:
    """A PYTHONPATH on which the wall is an installed distribution."""
    project = tomli.loads((WALL / "pyproject.toml").read_text("utf-8"))["project"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = [
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in entries.items())
        for group, entries in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(points))
    return os.pathsep.join([str(folder), str(WALL / "src")])
