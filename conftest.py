"""The safety net under every suite of the workspace, the plugins' own tests included.

No test can reach the real home, a real key or a real gateway; and a test that leaves something behind (a changed
environment or directory, a process, a thread, an open file) fails, by name, where it happened. The checks themselves are
llm-gateway-testing's, which authors of plugins use as well.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

KEY_ENDINGS = ("_API_KEY", "_AUTH_TOKEN", "_OAUTH_TOKEN")

# The speed of a busy machine is not what a property is about.
SLOW = [hypothesis.HealthCheck.too_slow]
MOST = int(os.environ.get("FUZZ_EXAMPLES") or 25)  # `make test-properties` and `make fuzz` ask for more
hypothesis.settings.register_profile(
    "house", deadline=None, database=None, print_blob=True, suppress_health_check=SLOW, max_examples=MOST
)
hypothesis.settings.load_profile("house")


def pytest_configure(config: pytest.Config) -> None:
    """Move the home away before any test module is imported."""
    world = Path(tempfile.mkdtemp(prefix="llm-gateway-tests-"))
    saved = dict(os.environ)
    for name in list(os.environ):
        if name == "LLM_GATEWAY_PORTABLE":  # the implementation that this run tests
            continue
        if name.startswith(("LLM_GATEWAY_", "XDG_")) or name.endswith(KEY_ENDINGS):
            del os.environ[name]
    home = world / "home"
    home.mkdir()
    os.environ |= {
        "HOME": str(home),
        "LLM_GATEWAY_HOME": str(home / "gateway"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_STATE_HOME": str(home / "state"),
    }

    def restore() -> None:
        os.environ.clear()
        os.environ.update(saved)
        shutil.rmtree(world, ignore_errors=True)

    config.add_cleanup(restore)


@pytest.fixture(autouse=True)
def _the_net(nothing_left_behind: None) -> None:
    """Under every test of the workspace."""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with one commit of `file`."""
    from tests.repositories import make_repository

    return make_repository(tmp_path / "repository")


@pytest.fixture
def planted(tmp_path: Path) -> Iterator[Path]:
    """A program that a hostile repository names; the test fails if it was run."""
    from tests.repositories import planted_program

    with planted_program(tmp_path) as program:
        yield program


@pytest.fixture(scope="session")
def python() -> Iterator[tuple[str, ...]]:
    """The words that start Python with every package imported: see tests/forking."""
    from tests.forking import forked_python

    with forked_python() as words:
        yield words
