"""A state is the same while nothing has changed, and another one after any change that a run would see."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from plugins.builtin.tests.git_trees import state
from tests import repositories
from tests.repositories import git

make_repository = partial(repositories.make_repository, name="kept.py")


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What each test gets a copy of: a working tree with all that can be in one, except for a linked one."""
    folder = tmp_path_factory.mktemp("original")
    tree = make_repository(folder / "tree")
    inner = make_repository(folder / "inner", "inner\n")
    git(tree, "submodule", "--quiet", "add", str(inner), "sub")
    git(tree / "sub", "submodule", "--quiet", "add", str(inner), "deep")
    git(tree / "sub", "commit", "-qm", "deep")
    (tree / ".gitignore").write_text("ignored*\nbuild/\n")
    for name in ("assumed.py", "skipped.py", "folder/file.py", "run.sh"):
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_text(f"{name}\n")
    (tree / "outside").mkdir()
    (folder / "elsewhere.txt").write_text("x")
    (tree / "link").symlink_to("../elsewhere.txt")
    git(tree, "add", ".")
    git(tree, "commit", "-qm", "all")
    git(tree, "update-index", "--assume-unchanged", "assumed.py")
    git(tree, "update-index", "--skip-worktree", "skipped.py")
    make_repository(tree / "nested", "nested\n")
    make_repository(tree / "build/nested", "ignored and nested\n")
    (tree / "new.py").write_text("new\n")
    (tree / "ignored.env").write_text("MODEL=1\n")
    (tree / "build/out.bin").write_bytes(b"\0\xff")
    return folder


@pytest.fixture
def tree(tmp_path: Path, original: Path) -> Path:
    # With new times: a file that is as old as the index is compared by content, whatever its times say.
    subprocess.run(["cp", "-RP", f"{original}/.", tmp_path], check=True, timeout=60)
    tree = tmp_path / "tree"
    git(tree, "update-index", "-q", "--refresh")  # it has the inodes of the files
    git(tree, "worktree", "add", "-q", "-b", "side", str(tree / "linked"))  # both sides have absolute paths
    return tree


def rewrite(name: str) -> Callable[[Path], None]:
    """Other content of the same size, and the old times."""

    def change(tree: Path) -> None:
        path = tree / name
        facts = path.stat()
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))

    return change


def twice(name: str) -> Callable[[Path], None]:
    return lambda tree: (tree / name).write_text("the second edit\n") and None


CONTENTS = [
    "kept.py", "assumed.py", "skipped.py", "new.py", "ignored.env", "build/out.bin", "folder/file.py", "../elsewhere.txt",
    "sub/kept.py", "sub/deep/kept.py", "nested/kept.py", "build/nested/kept.py", "linked/kept.py", ".git/config",
]  # fmt: skip
CHANGES: dict[str, Callable[[Path], object]] = {
    **{f"content of {name}": rewrite(name) for name in CONTENTS},
    "a new file": lambda tree: (tree / "more.py").write_text("x"),
    "a new file of a submodule": lambda tree: (tree / "sub/deep/more.py").write_text("x"),
    "a new file of a nested repository": lambda tree: (tree / "nested/more.py").write_text("x"),
    "a new ignored file": lambda tree: (tree / "build/more").write_text("x"),
    "a deleted file": lambda tree: (tree / "kept.py").unlink(),
    "a deleted new file": lambda tree: (tree / "new.py").unlink(),
    "a deleted flagged file": lambda tree: (tree / "skipped.py").unlink(),
    "a file that may be run": lambda tree: (tree / "run.sh").chmod(0o755),
    "a link to elsewhere": lambda tree: ((tree / "link").unlink(), (tree / "link").symlink_to("kept.py")),
    "a staged change": lambda tree: (rewrite("kept.py")(tree), git(tree, "add", "kept.py"), rewrite("kept.py")(tree)),
    "a commit of the same files": lambda tree: git(tree, "commit", "-q", "--allow-empty", "-m", "more"),
    "a commit in a submodule": lambda tree: git(tree / "sub", "commit", "-q", "--allow-empty", "-m", "more"),
    "a commit in a nested repository": lambda tree: git(tree / "nested", "commit", "-q", "--allow-empty", "-m", "more"),
    "another branch": lambda tree: git(tree, "switch", "-q", "-c", "other"),
    "a branch moved": lambda tree: git(tree, "branch", "-f", "main", git_empty_commit(tree)),
    "a flag": lambda tree: git(tree, "update-index", "--no-assume-unchanged", "assumed.py"),
    "a merge under way": lambda tree: (tree / ".git/MERGE_HEAD").write_text("0" * 40),
    "a file for a directory": lambda tree: (shutil.rmtree(tree / "folder"), (tree / "folder").write_text("x")),
}


def git_empty_commit(tree: Path) -> str:
    git(tree, "switch", "-q", "-c", "moved")
    git(tree, "commit", "-q", "--allow-empty", "-m", "moved")
    return "moved"


@pytest.mark.parametrize("change", CHANGES)
def test_lesson_94_every_change_that_a_run_would_see_gives_another_state(tree: Path, change: str) -> None:
    before = state(tree)
    assert before is not None
    assert state(tree) == before
    CHANGES[change](tree)
    assert state(tree) not in (before, None)


@pytest.mark.parametrize("name", CONTENTS)
def test_lesson_94_the_second_edit_gives_another_state_than_the_first(tree: Path, name: str) -> None:
    rewrite(name)(tree)
    first = state(tree)
    twice(name)(tree)
    assert first is not None
    if name != ".git/config":
        assert state(tree) not in (first, None)


@pytest.mark.parametrize("name", CONTENTS)
def test_what_was_changed_and_changed_back_has_the_old_state(tree: Path, name: str) -> None:
    before = state(tree)
    rewrite(name)(tree)
    rewrite(name)(tree)
    assert state(tree) == before


def test_times_and_a_refreshed_index_do_not_count(tree: Path) -> None:
    before = state(tree)
    os.utime(tree / "kept.py", (1, 1))
    os.utime(tree / "new.py", (1, 1))
    assert state(tree) == before
    git(tree, "status")
    assert state(tree) == before


def test_a_change_elsewhere_in_the_repository_counts(tree: Path) -> None:
    before = state(tree / "folder")
    rewrite("kept.py")(tree)
    assert state(tree / "folder") not in (before, None)


def test_a_linked_worktree_and_a_submodule_are_looked_at_by_themselves(tree: Path) -> None:
    for place in (tree / "linked", tree / "sub/deep", tree / "nested"):
        before = state(place)
        rewrite("kept.py")(place)
        assert state(place) not in (before, None)


def test_outside_of_git_content_is_compared(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").write_text("one")
    before = state(tmp_path)
    assert state(tmp_path) == before
    (tmp_path / "a/b/file").write_text("two")
    assert state(tmp_path) not in (before, None)
    (tmp_path / "a/b/file").write_text("one")
    assert state(tmp_path) == before


def test_repositories_below_a_plain_directory_are_looked_at(tmp_path: Path) -> None:
    make_repository(tmp_path / "projects/one")
    before = state(tmp_path)
    git(tmp_path / "projects/one", "commit", "-q", "--allow-empty", "-m", "more")
    assert state(tmp_path) not in (before, None)


def test_every_directory_counts(tree: Path, tmp_path: Path) -> None:
    more = tmp_path / "more"
    more.mkdir()
    (more / "file").write_text("one")
    before = state(tree, more)
    (more / "file").write_text("two")
    assert state(tree, more) not in (before, None)


def test_the_same_content_at_another_place_is_another_state(tmp_path: Path) -> None:
    for name, content in (("x", "ab"), ("y", "ba")):
        (tmp_path / name).mkdir()
        (tmp_path / name / content[0]).write_text(content[1])
        (tmp_path / name / content[1]).write_text(content[0])
    (tmp_path / "z").mkdir()
    (tmp_path / "z/ab").write_text("ba")
    assert len({state(tmp_path / name) for name in "xyz"}) == 3


# ----------------------------------------------------------------------------------------------- what cannot be known


UNKNOWN: dict[str, Callable[[Path], object]] = {
    "a broken repository": lambda tree: shutil.rmtree(tree / ".git/objects"),
    "a broken submodule": lambda tree: (tree / "sub/.git").write_text("gitdir: nowhere"),
    "a link to another repository": lambda tree: (
        shutil.rmtree(tree / "nested/.git"),
        (tree / "nested/.git").symlink_to(tree / ".git"),
    ),
    "a pipe for a file": lambda tree: ((tree / "kept.py").unlink(), os.mkfifo(tree / "kept.py")),
    "a link to a device": lambda tree: (tree / "zero").symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("what", UNKNOWN)
def test_what_cannot_be_compared_is_unknown(tree: Path, what: str) -> None:
    UNKNOWN[what](tree)
    assert state(tree) is None


def test_a_pipe_outside_of_git_is_unknown_and_one_that_git_does_not_see_is_not_waited_for(tree: Path) -> None:
    os.mkfifo(tree / "build/pipe")
    os.mkfifo(tree / "sub/pipe")
    assert state(tree) is not None
    os.mkfifo(tree.parent / "pipe")
    assert state(tree.parent) is None


def test_lesson_97_a_huge_file_is_not_read(tree: Path) -> None:
    with (tree / "huge").open("wb") as file:
        file.truncate(12 * 1024**3)
    assert state(tree) is None


def test_lesson_97_a_pipe_that_git_reads_costs_no_more_than_the_budget(tree: Path) -> None:
    (tree / ".gitignore").unlink()
    os.mkfifo(tree / ".gitignore")
    assert state(tree, seconds=0.5) is None


def test_more_bytes_than_the_budget_are_unknown(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 1001)
    assert state(tmp_path, most_bytes=1000) is None
    assert state(tmp_path, most_bytes=1001) is not None


def test_without_time_nothing_is_known(tree: Path) -> None:
    assert state(tree, seconds=0) is None


def test_a_deep_tree_and_odd_names_are_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / os.fsdecode(b"\xff\nname")).write_text("x")
    make_repository(tmp_path / "odd/tree")
    (tmp_path / "odd/tree" / os.fsdecode(b"\xff\tname")).write_text("x")
    git(tmp_path / "odd/tree", "add", ".")
    assert state(tmp_path / "odd") is not None
    deep = tmp_path / "deep"
    for _ in range(700):
        deep /= "d"
    os.makedirs(deep)
    assert state(tmp_path / "deep") is None  # too deep to follow
    shutil.rmtree(tmp_path / "deep")


def test_links_in_a_circle_come_to_an_end(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to("self")
    elsewhere = tmp_path.parent / f"{tmp_path.name}-elsewhere"
    elsewhere.mkdir()
    (elsewhere / "again").symlink_to(elsewhere)
    (tmp_path / "out").symlink_to(elsewhere)
    assert state(tmp_path) is not None


def test_many_looks_at_nested_repositories_leave_no_descriptor_open(tree: Path) -> None:
    nested, broken = make_repository(tree / "nested"), make_repository(tree / "broken")
    (broken / ".git" / "HEAD").unlink()
    looks = [(tree, 20.0), (nested, 20.0), (broken, 20.0), (tree, 0.01)]
    opened = []
    for _ in range(4):  # the first one leaves what the interpreter opens once
        for place, seconds in looks:
            state(place, seconds=seconds)
        opened.append(len(os.listdir("/proc/self/fd")))
    assert opened[1:] == [opened[0]] * 3
