"""Making directories and writing files: private whatever the umask, whole or not at all, and never through a link."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from errno import EINVAL
from pathlib import Path

import pytest

from llm_gateway.files import make_private, open_directory, open_regular, read_regular, write_atomic


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def modes(*paths: Path) -> list[int]:
    return [stat.S_IMODE(path.lstat().st_mode) for path in paths]


@pytest.mark.usefixtures("open_umask")
def test_every_directory_that_is_made_is_private_and_those_that_are_there_stay(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir(mode=0o755)
    deep = tmp_path / "there" / "a" / "b" / "c"
    make_private(deep)
    make_private(deep)
    assert modes(deep, deep.parent, deep.parent.parent) == [0o700] * 3
    assert modes(tmp_path / "there") == [0o755]


def test_a_file_in_the_place_of_a_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OSError, match=r"[Nn]ot a directory"):
            make_private(place)


@pytest.mark.usefixtures("open_umask")
def test_a_file_is_replaced_whole_and_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("canary")
    place = tmp_path / "file"
    place.symlink_to(outside)
    write_atomic(place, b"one", durable=True)
    folder = open_directory(tmp_path)
    try:
        write_atomic("file", b"two", dir_fd=folder)
        assert read_regular("file", most_bytes=99, dir_fd=folder, alone=True) == b"two"
    finally:
        os.close(folder)
    assert outside.read_text() == "canary"
    assert modes(place) == [0o600]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "outside"]


def test_what_cannot_be_written_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "file" / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match=r"[Dd]irectory"):
        write_atomic(tmp_path / "file", b"words")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_with_two_names_is_refused_where_one_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("words")
    os.link(tmp_path / "one", tmp_path / "two")
    os.close(open_regular(tmp_path / "two"))
    with pytest.raises(OSError, match="hard link") as caught:
        open_regular(tmp_path / "two", alone=True)
    assert caught.value.errno == EINVAL


@pytest.mark.parametrize("follow", [False, True])
def test_a_fifo_and_a_device_are_refused_at_once_also_behind_a_link(tmp_path: Path, follow: bool) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(tmp_path / "fifo")
    for place in (tmp_path / "fifo", tmp_path / "link", Path("/dev/zero"), tmp_path):
        with pytest.raises(OSError, match="."):  # noqa: RUF043
            open_regular(place, follow=follow)


def test_a_link_is_followed_where_the_user_may_have_made_one(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("words")
    (tmp_path / "link").symlink_to("real")
    assert read_regular(tmp_path / "link", most_bytes=3, follow=True) == b"wor"
