"""The tutorials, run as they stand: a reader who types what they say ends with a plugin that works."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import tomli

from tests.real_clis.bubblewrap import path_with_bubblewrap
from tests.scenarios.environments import PINS, ROOT, Environment
from tests.scenarios.tutorial import steps_of, take

PAGES = sorted((ROOT / "docs/tutorial").glob("first-*.md"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Environment:
    """What the pages' own set-up makes, made once."""
    environment = Environment(tmp_path_factory.mktemp("tutorials") / "env", wheels, "--seed")
    environment.install("llm-gateway-mcp[demo]", "llm-gateway-store-memory", "llm-gateway-testing")
    return environment


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_reader_who_types_what_the_page_says_has_a_working_plugin(
    page: Path, made: Environment, tmp_path: Path
) -> None:
    steps = steps_of(page)
    assert any(step.output for step in steps)
    pins = tmp_path / "pins.txt"
    # Without the hashes: with them pip refuses a plugin that is installed from a folder.
    pins.write_text(
        "".join(line.removesuffix(" \\") + "\n" for line in PINS.read_text("utf-8").splitlines() if "==" in line)
    )
    path = path_with_bubblewrap() if "bwrap" in page.read_text("utf-8") else os.environ["PATH"]
    env = {
        "PATH": f"{made.folder / 'bin'}{os.pathsep}{path}",
        "HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path / ".local/state"),
        "LLM_GATEWAY_HOME": str(tmp_path / "gateway"),
        "PIP_FIND_LINKS": str(made.wheels),
        "PIP_CONSTRAINT": str(pins),
        "PIP_ROOT_USER_ACTION": "ignore",
    }
    try:
        take(steps, tmp_path, env)
    finally:  # the next page finds nothing of this one's plugin
        for manifest in tmp_path.glob("**/pyproject.toml"):
            made.uninstall(tomli.loads(manifest.read_text("utf-8"))["project"]["name"])
