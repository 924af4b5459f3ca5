"""One command gives every distribution a new version."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tomli

ROOT = Path(__file__).parents[2]
COMMAND = ROOT / ".ci/version.py"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the command reads and writes."""
    kinds = ("*.toml", "*.md", "plugin.json", "core/src/llm_gateway/__init__.py")
    for folder in ("core", "docs", "plugins", "providers", "stores", "tests/scenarios"):
        for kind in kinds[:3]:
            for path in (ROOT / folder).rglob(kind):
                copy(path, tmp_path)
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md", kinds[3]):
        copy(ROOT / name, tmp_path)
    return tmp_path


def copy(path: Path, into: Path) -> None:
    place = into / path.relative_to(ROOT)
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, place)


def run(checkout: Path, version: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, COMMAND, version, "--root", checkout]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_new_version_stands_in_every_manifest_and_moves_the_bounds(checkout: Path) -> None:
    done = run(checkout, "9.4.1")
    assert done.returncode == 0, done.stderr
    manifests = [checkout / "core/pyproject.toml", *checkout.glob("[ps]*/*/pyproject.toml")]
    assert len(manifests) > 15
    for manifest in manifests:
        project = tomli.loads(manifest.read_text("utf-8"))["project"]
        assert project["version"] == "9.4.1"
        ours = [one for one in project["dependencies"] if one.startswith("llm-gateway")]
        assert all(one.endswith(">=9.4,<10") for one in ours), (manifest, ours)
    meta = tomli.loads((checkout / "pyproject.toml").read_text("utf-8"))["project"]
    assert all(one.endswith("==9.4.1") for one in meta["dependencies"])
    assert '__version__ = "9.4.1"' in (checkout / "core/src/llm_gateway/__init__.py").read_text("utf-8")
    assert "## [9.4.1] - " in (checkout / "CHANGELOG.md").read_text("utf-8")


@pytest.mark.parametrize("version", ["0.0.1", "0.1.0", "next", "1.0", ""])
def test_a_version_that_is_not_newer_or_no_version_changes_nothing(checkout: Path, version: str) -> None:
    before = {path: path.read_bytes() for path in checkout.rglob("*") if path.is_file()}
    done = run(checkout, version)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert {path: path.read_bytes() for path in checkout.rglob("*") if path.is_file()} == before
