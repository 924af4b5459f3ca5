"""`llm-gateway plugin new`: what it writes is well-formed, and passes its own tests as it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import tomli

from llm_gateway.cli.plugin_new import TEMPLATES

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
KINDS = sorted(path.name for path in TEMPLATES.iterdir() if path.name != "common")


def new(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "llm_gateway.cli", "plugin", "new", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def run(folder: Path, *words: str) -> str:
    env = {**os.environ, "PYTHONPATH": str(folder / "src")}
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_passes_its_tests_as_it_is(kind: str, tmp_path: Path) -> None:
    done = new(tmp_path, kind, "my_thing")
    assert (done.returncode, done.stderr) == (0, "")
    folder = tmp_path / f"llm-gateway-{kind}-my-thing"
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    package = f"llm_gateway_{kind}_my_thing"
    assert {"pyproject.toml", "README.md", f"src/{package}/plugin.py", f"src/{package}/py.typed"} <= written
    assert not [path for path in folder.rglob("*") if path.is_file() and "${" in path.read_text()]
    manifest = tomli.loads((folder / "pyproject.toml").read_text())
    assert manifest["project"]["entry-points"] == {f"llm_gateway.{kind}": {"my_thing": f"{package}.plugin"}}

    config = str(ROOT / "pyproject.toml")
    run(folder, "ruff", "check", "--no-cache", "--config", config, "--ignore", "I", "src", "tests")
    run(folder, "mypy", "--config-file", config, "--cache-dir", str(tmp_path / "mypy"), "src")
    assert " passed" in run(folder, "pytest", "-p", "no:cacheprovider", "--import-mode=importlib", "tests")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("provder", "x"), "engine, extension, policy, provider, store, transport"),
        (("provider", "My-Thing"), "'My-Thing'"),
        (("provider", "x", "--into", "full"), "--into"),
    ],
    ids=["kind", "name", "folder"],
)
def test_what_cannot_be_written_says_why_and_writes_nothing(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").write_text("keep me")
    done = new(tmp_path, *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["full", "precious"]
