"""What is known of a home before its gateway is opened: whether work waits in it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from llm_gateway.before_opening import WaitingWork, is_usable_home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def waits(home: Path, **environ: str) -> bool:
    return WaitingWork({"LLM_GATEWAY_HOME": str(home), **environ}).exists()


def test_nothing_waits_in_a_home_that_does_not_exist_or_is_empty(home: Path) -> None:
    assert not waits(home)
    home.mkdir()
    assert not waits(home)


def test_a_store_that_cannot_be_read_needs_a_gateway(home: Path) -> None:
    home.mkdir()
    (home / "gateway.db").write_bytes(b"this is no database")
    (home / "gateway.db").chmod(0o600)
    assert waits(home)


@pytest.mark.parametrize("url", ["none:", "postgres://host/base"])
def test_a_store_without_a_reader_needs_a_gateway(url: str, home: Path) -> None:
    home.mkdir()
    assert waits(home, LLM_GATEWAY_STORE_URL=url)


def test_a_review_waits_unless_a_gateway_executes_it(home: Path) -> None:
    (home / "reviews/.open").mkdir(parents=True)
    run = home / "reviews/.open/rv-0123456789abcdef"
    run.touch()
    assert waits(home)
    with run.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert not waits(home)
    run.unlink()
    assert not waits(home)


def test_stored_texts_need_a_gateway_that_removes_old_ones(home: Path) -> None:
    home.mkdir()
    (home / "log-index.db").touch()
    assert waits(home)


def test_a_home_is_usable_if_it_is_private_or_can_be_made(home: Path) -> None:
    environ = {"LLM_GATEWAY_HOME": str(home / "below")}
    assert is_usable_home(environ)
    home.touch()
    assert not is_usable_home(environ)
    home.unlink()
    (home / "below").mkdir(parents=True, mode=0o700)
    assert is_usable_home(environ)
    os.chmod(home / "below", 0o750)
    assert not is_usable_home(environ)
