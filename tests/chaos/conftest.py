"""The home that is attacked, and the seed of the attacks.

`CHAOS_ROUNDS` asks for more rounds than usual, `CHAOS_SEED` and `CHAOS_FIRST` for those of a failure again.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.world import World
from tests.chaos.zygote import Zygote


@pytest.fixture(scope="session", autouse=True)
def _uses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file in which gateways with the portable implementations note what only Linux has."""
    ours = "NO_LINUX_USES" not in os.environ  # else it is that of the engine's tests in the same session
    if ours:
        os.environ["NO_LINUX_USES"] = str(tmp_path_factory.mktemp("no_linux") / "uses")
    yield Path(os.environ["NO_LINUX_USES"])
    if ours:
        del os.environ["NO_LINUX_USES"]


@pytest.fixture(autouse=True)
def _no_linux(_uses: Path) -> Iterator[None]:
    yield
    assert not _uses.exists() or not _uses.read_text()


@pytest.fixture
def seed() -> int:
    return int(os.environ.get("CHAOS_SEED") or secrets.randbelow(1_000_000))


@pytest.fixture
def numbers(request: pytest.FixtureRequest) -> range:
    """The numbers of the rounds; a test says its usual count by `parametrize(..., indirect=True)`."""
    first = int(os.environ.get("CHAOS_FIRST") or 0)
    return range(first, first + int(os.environ.get("CHAOS_ROUNDS") or request.param))


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    zygote = Zygote()
    yield zygote
    zygote.close()


@pytest.fixture
def quick_world(tmp_path: Path, zygote: Zygote) -> Iterator[World]:
    """A world whose gateways are forked, for rounds that need many."""
    world = World(tmp_path, zygote)
    yield world
    world.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()
