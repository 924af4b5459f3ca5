"""Files that are parsed once for each of their states."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llm_gateway import read_cached

PARSED: list[bytes] = []


def note(data: bytes) -> str:
    PARSED.append(data)
    return data.decode()


def test_a_file_is_parsed_again_only_when_it_changed(tmp_path: Path) -> None:
    PARSED.clear()
    path = tmp_path / "file"
    path.write_text("one")
    assert [read_cached(path, note), read_cached(path, note)] == ["one", "one"]
    assert len(PARSED) == 1
    path.write_text("two")
    os.utime(path, ns=(1, 1))
    assert read_cached(path, note) == "two"
    (tmp_path / "new").write_text("six")
    os.utime(tmp_path / "new", ns=(1, 1))
    (tmp_path / "new").replace(path)
    assert read_cached(path, note) == "six", "same size and time, but another file"


def test_links_fifos_and_large_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "fifo", "missing"):
        with pytest.raises(OSError):  # noqa: PT011 - of several kinds
            read_cached(tmp_path / name, note)
    assert read_cached(tmp_path / "link", note, follow=True) == "text"
    with pytest.raises(ValueError, match="more than 3 bytes"):
        read_cached(tmp_path / "file", note, most_bytes=3)
