"""A digest of contents: unambiguous, bounded, and never of what was read before a change."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from llm_gateway import Budget, ContentDigest, OverBudget

words = st.lists(st.lists(st.binary(max_size=4), max_size=4), max_size=4)


def budget(**changes: float) -> Budget:
    return Budget(seconds=changes.get("seconds", 20.0), most_bytes=int(changes.get("most_bytes", 1 << 20)))


def digest_of(path: Path, **changes: float) -> str:
    digest = ContentDigest(budget(**changes))
    digest.add_path(str(path))
    return digest.hexdigest()


@given(words, words)
def test_other_words_give_another_digest(first: list[list[bytes]], second: list[list[bytes]]) -> None:
    digests = [ContentDigest(budget()) for _ in range(2)]
    for digest, calls in zip(digests, (first, second), strict=True):
        for parts in calls:
            digest.add(*parts)
    assert (digests[0].hexdigest() == digests[1].hexdigest()) == (first == second)


trees = st.dictionaries(st.sampled_from(["a", "b", "d/a", "d/b", "d/e/a"]), st.binary(max_size=3), max_size=5)


def lay_out(tree: dict[str, bytes], place: Path) -> None:
    for name, content in tree.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)


@given(trees, trees)
def test_other_trees_give_another_digest_and_equal_ones_the_same(
    first: dict[str, bytes], second: dict[str, bytes]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        places = [Path(folder, "first"), Path(folder, "second")]
        for place, tree in zip(places, (first, second), strict=True):
            place.mkdir()
            lay_out(tree, place)
        assert (digest_of(places[0]) == digest_of(places[1])) == (first == second)


def test_what_was_read_before_is_read_again_after_a_change_of_the_same_size_and_time(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("one")
    os.utime(file, (1, 1))
    found = set()
    for content in ("one", "two", "six"):
        for _ in range(2):
            file.write_text(content)
            os.utime(file, (1, 1))
            found.add(digest_of(file))
    assert len(found) == 3


def test_bytes_and_time_are_bounded(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100)
    assert digest_of(tmp_path, most_bytes=100)
    with pytest.raises(OverBudget):
        digest_of(tmp_path, most_bytes=99)
    with pytest.raises(OverBudget):
        digest_of(tmp_path, seconds=0)


def test_a_directory_that_is_left_out_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "homely").write_text("x")

    def digest() -> str:
        found = ContentDigest(Budget(seconds=20, most_bytes=1000, left_out=[str(tmp_path / "home")]))
        found.add_path(str(tmp_path))
        return found.hexdigest()

    before = digest()
    (tmp_path / "home/file").write_text("x")
    assert digest() == before
    (tmp_path / "homely").write_text("y")
    assert digest() != before


def test_what_is_not_there_and_what_may_not_be_read_counts_as_that(tmp_path: Path) -> None:
    before = digest_of(tmp_path / "none")
    (tmp_path / "none").write_text("")
    assert digest_of(tmp_path / "none") != before
    assert digest_of(tmp_path / "none" / "below") != digest_of(tmp_path / "none")


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_file_cannot_be_told(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "pipe" if kind == "pipe" else Path("/dev/null")
    if kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(OverBudget):
        digest_of(path)
