"""Pages of a long reply: each costs what it holds, not what the reply holds."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from llm_gateway import JobId
from llm_gateway.jobs.job_files import keep_reply, read_reply
from llm_gateway.jobs.spool import FolderSpool

TEXTS = {
    "bytes": "one line\r\nand another\n" * 40,
    "two-byte-characters": "größer\n" * 100,
    "mixed": ("plain " * 20 + "– 語 🙂\r") * 20,
    "half-a-pair": "before \ud83d after" * 30,
    "empty": "",
}


JOB = JobId("job-1")


@pytest.fixture
def spool(tmp_path: Path) -> FolderSpool:
    (tmp_path / "jobs").mkdir()
    return FolderSpool(tmp_path)


def write(spool: FolderSpool, text: str) -> None:
    keep_reply(spool, JOB, text)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_the_pages_of_a_reply_are_the_reply(spool: FolderSpool, text: str) -> None:
    write(spool, text)
    for most in (1, 7, 333):
        pages = [read_reply(spool, JOB, len(text), offset, most) for offset in range(0, len(text) + most, most)]
        assert "".join(pages) == text
    assert read_reply(spool, JOB, len(text), 0, -1) == text


@pytest.mark.parametrize("character", ["a", "ü"])
def test_a_page_of_a_long_reply_needs_no_room_for_the_reply(spool: FolderSpool, character: str) -> None:
    text = character * 8_000_000
    write(spool, text)
    tracemalloc.start()
    try:
        page = read_reply(spool, JOB, len(text), len(text) - 1000, 1000)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert page == character * 1000
    assert most < 4_000_000


def test_a_reply_that_is_gone_has_no_words_and_one_that_is_elsewhere_is_not_read(
    spool: FolderSpool, tmp_path: Path
) -> None:
    assert read_reply(spool, JOB, 5, 0, -1) == ""
    folder = tmp_path / "jobs" / JOB
    folder.mkdir()
    (tmp_path / "secret").write_text("words")
    (folder / "reply.txt").symlink_to(tmp_path / "secret")
    assert read_reply(spool, JOB, 5, 0, -1) == ""
