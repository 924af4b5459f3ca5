"""Built wheels for every scenario, and environments to install them into."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.environments import MEMBERS, PINS, UV, Environment, run

#: A stranger's tests run where the stranger's plugin is installed.
collect_ignore = ["third_party"]


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every distribution of the workspace, built in isolation with the pinned backend."""
    folder = tmp_path_factory.mktemp("wheels")
    for member in MEMBERS:
        run(UV, "build", "--quiet", "--wheel", "--build-constraints", PINS, "--out-dir", folder, member)
    return folder


@pytest.fixture
def environment(tmp_path: Path, wheels: Path) -> Environment:
    return Environment(tmp_path / "env", wheels)
