"""`llm-gateway plugin new` where only wheels are: what it writes is installed, found, and passes its tests as it is."""

from __future__ import annotations

import json
from pathlib import Path

from llm_gateway.cli.plugin_new import TEMPLATES
from tests.scenarios.environments import Environment, run

KINDS = sorted(path.name for path in TEMPLATES.iterdir() if path.name != "common")


def test_every_kind_is_written_installed_found_and_passes(wheels: Path, tmp_path: Path) -> None:
    environment = Environment(tmp_path / "env", wheels)
    environment.install("llm-gateway-mcp[demo]")
    folders = [tmp_path / kind for kind in KINDS]
    for kind, folder in zip(KINDS, folders, strict=True):
        run(environment.folder / "bin/llm-gateway", "plugin", "new", kind, "fresh", "--into", folder, cwd=tmp_path)
    environment.install(*(f"{folder}[test]" for folder in folders))
    shown = json.loads(environment.plugins())
    assert shown["problems"] == []
    states = {(one["kind"], one["name"]): one["state"] for one in shown["plugins"]}
    assert {kind: states[kind, "fresh"] for kind in KINDS} == dict.fromkeys(KINDS, "loaded")
    for folder in folders:
        said = run(
            environment.folder / "bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", cwd=folder
        )
        assert " passed" in said
        assert "warning" not in said
