"""The text of instruction files."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_gateway import InstructionFile, Instructions, read_instructions, repository_files
from llm_gateway.instructions import MOST_TEXT_BYTES


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    (root / "sub").mkdir(parents=True)
    return root


def read(repository: Path, *, directory: str = "sub", **more: bool) -> Instructions:
    files = repository_files(str(repository / directory), str(repository), ("AGENTS.md", "LOCAL.md"), "project")
    return read_instructions(files, **more)


def test_files_stand_from_the_outermost_directory_to_the_working_directory(repository: Path) -> None:
    paths = [repository.parent / "AGENTS.md", repository / "AGENTS.md", repository / "LOCAL.md"]
    paths.append(repository / "sub" / "AGENTS.md")
    for path in reversed(paths):
        path.write_text(f"words of {path}\n")
    found = read(repository)
    assert found.files == tuple(map(str, paths))
    places = [found.text.index(f"words of {path}") for path in paths]
    assert places == sorted(places)
    assert f"Contents of {paths[0]} (project):\n\nwords of {paths[0]}" in found.text


def test_an_import_follows_its_importer_once_and_only_from_inside_the_repository(repository: Path) -> None:
    (repository.parent / "out.md").write_text("outer words")
    (repository / "in.md").write_text("inner words @AGENTS.md")
    (repository / "AGENTS.md").write_text("See @in.md, @./in.md and @../out.md or a@b.example.")
    found = read(repository)
    assert found.files == (str(repository / "AGENTS.md"), str(repository / "in.md"))
    assert "outer words" not in found.text
    assert found.notices == ()


@pytest.mark.parametrize("name", ["AGENTS.md", "in.md"])
def test_a_link_out_of_the_repository_is_left_out_and_named(repository: Path, name: str) -> None:
    (repository.parent / "secret").write_text("outer words")
    (repository / "AGENTS.md").write_text("see @in.md")
    (repository / name).unlink(missing_ok=True)
    (repository / name).symlink_to("../secret")
    found = read(repository)
    assert "outer words" not in found.text
    assert [(notice.code, notice.details["files"]) for notice in found.notices] == [
        ("instruction_link", [str(repository / name)])
    ]
    assert "outer words" in read(repository, passed_on=False).text, "it counts for the digest where the CLI follows it"


def test_a_directory_that_is_a_link_out_of_the_repository_counts_as_one(repository: Path) -> None:
    (repository.parent / "secrets").mkdir()
    (repository.parent / "secrets" / "a.md").write_text("outer words")
    (repository / "docs").symlink_to("../secrets")
    (repository / "AGENTS.md").write_text("see @docs/a.md")
    assert "outer words" not in read(repository).text


def test_a_link_inside_of_the_repository_is_followed(repository: Path) -> None:
    (repository / "README.md").write_text("the same words")
    (repository / "AGENTS.md").symlink_to("README.md")
    (repository / "sub" / "AGENTS.md").symlink_to("../README.md")
    found = read(repository)
    assert found.text.count("the same words") == 1
    assert found.notices == ()


def test_the_users_own_file_may_be_a_link_and_import_from_anywhere(tmp_path: Path) -> None:
    for name in ("dotfiles", "home"):
        (tmp_path / name).mkdir()
    (tmp_path / "dotfiles" / "md").write_text("own words @~/more.md")
    (tmp_path / "home" / "more.md").write_text("more words")
    (tmp_path / "home" / "OWN.md").symlink_to("../dotfiles/md")
    found = read_instructions([InstructionFile(path=str(tmp_path / "home" / "OWN.md"))], home=str(tmp_path / "home"))
    assert "own words" in found.text
    assert "more words" in found.text


def test_what_is_too_large_is_left_out_and_named(repository: Path) -> None:
    (repository / "AGENTS.md").write_text("a" * (MOST_TEXT_BYTES - 10))
    (repository / "LOCAL.md").write_text("b" * 20)
    (repository / "sub" / "AGENTS.md").write_text("c")
    found = read(repository)
    assert found.files == (str(repository / "AGENTS.md"), str(repository / "sub" / "AGENTS.md"))
    assert [notice.code for notice in found.notices] == ["instructions_too_large"]


def test_the_digest_differs_with_contents_and_names_and_is_empty_without_files(repository: Path) -> None:
    digests = {read(repository).digest}
    assert digests == {""}
    for name, text in (("AGENTS.md", "a"), ("AGENTS.md", "b"), ("LOCAL.md", "b"), ("sub/AGENTS.md", "b")):
        (repository / name).write_text(text)
        digests.add(read(repository).digest)
        assert read(repository).digest == read(repository).digest
    assert len(digests) == 5


def test_a_file_that_is_no_file_is_left_out(repository: Path) -> None:
    (repository / "AGENTS.md").mkdir()
    (repository / "LOCAL.md").symlink_to("nowhere")
    assert read(repository) == Instructions()
