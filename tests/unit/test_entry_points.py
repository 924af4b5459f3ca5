"""Entry points of installed distributions, read from their metadata."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from llm_gateway import entry_points
from llm_gateway.plugins.find import GROUP, KINDS, distributions_of, find

GROUP_NAME = "llm_gateway.extension"


def install(folder: Path, name: str, text: str, *, suffix: str = "dist-info", version: str = "1.2") -> None:
    info = folder / f"{name.replace('-', '_')}-{version}.{suffix}"
    info.mkdir(parents=True)
    head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Dist: one>=1\n\nName: not this\n"
    (info / ("METADATA" if suffix == "dist-info" else "PKG-INFO")).write_text(head)
    (info / "entry_points.txt").write_text(text)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of `sys.path`."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setattr(sys, "path", [str(folder)])
    return folder


def found(*groups: str) -> list[tuple[str, str, str]]:
    return [(point.group, point.name, point.value) for point in entry_points.find(groups or (GROUP_NAME,))]


def test_the_same_is_found_as_by_the_standard_library() -> None:
    groups = [GROUP + kind for kind in KINDS]
    known = importlib.metadata.entry_points()
    expected = {(each.group, each.name, each.value) for group in groups for each in known.select(group=group)}
    assert set(found(*groups)) == expected
    for point in find():
        dist = next(each.dist for each in known.select(group=point.group, name=point.name))
        assert dist is not None
        assert distributions_of(point) == [(dist.name, dist.version)]


@pytest.mark.parametrize("suffix", ["dist-info", "egg-info"])
def test_comments_spaces_and_other_groups_are_left_out(site: Path, suffix: str) -> None:
    text = f"# a comment\n[console_scripts]\nx = y:z\n\n[ignored]\n[{GROUP_NAME}]\n  one =  package.one \n# two = b\nthree=c:d.e\nbroken\n"
    install(site, "some-thing", text, suffix=suffix)
    assert found() == [(GROUP_NAME, "one", "package.one"), (GROUP_NAME, "three", "c:d.e")]
    (point, _) = entry_points.find([GROUP_NAME])
    (distribution,) = point.distributions
    assert (distribution.name, distribution.version, distribution.requires) == ("some-thing", "1.2", ["one>=1"])


def test_of_two_folders_of_one_distribution_the_first_on_the_path_counts(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, "Some.Thing", f"[{GROUP_NAME}]\none = new\n")
    install(tmp_path / "later", "some-thing", f"[{GROUP_NAME}]\none = old\n", version="1.0")
    monkeypatch.setattr(sys, "path", [str(site), str(site), str(tmp_path / "later")])
    assert found() == [(GROUP_NAME, "one", "new")]


def test_two_distributions_with_one_entry_point_are_both_named(site: Path) -> None:
    for name in ("first", "second"):
        install(site, name, f"[{GROUP_NAME}]\none = module\n")
    (point,) = entry_points.find([GROUP_NAME])
    assert distributions_of(point) == [("first", "1.2"), ("second", "1.2")]


def test_what_was_installed_a_moment_ago_is_found(site: Path) -> None:
    assert found() == []
    install(site, "late", f"[{GROUP_NAME}]\none = module\n")
    assert found() == [(GROUP_NAME, "one", "module")]


def test_folders_that_cannot_be_read_and_broken_metadata_are_skipped(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site / "a.dist-info").write_text("a file")
    (site / "b-1.dist-info").mkdir()
    (site / "c-1.dist-info").mkdir()
    (site / "c-1.dist-info/entry_points.txt").write_bytes(b"\xff\xfe[" + GROUP_NAME.encode() + b"]\none = module\n")
    install(site, "good", f"[{GROUP_NAME}]\none = module\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "nowhere"), "", str(site)])
    assert found() == [(GROUP_NAME, "one", "module")]


def test_the_working_directory_is_not_searched(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "repository", "planted", f"[{GROUP_NAME}]\none = planted\n")
    monkeypatch.chdir(tmp_path / "repository")
    monkeypatch.setattr(sys, "path", ["", ".", str(site)])
    assert found() == []


def test_a_zip_file_on_the_path_is_searched(tmp_path: Path) -> None:
    install(tmp_path / "packed", "zipped", f"[{GROUP_NAME}]\none = module:thing\n")
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        for path in (tmp_path / "packed").rglob("*"):
            archive.write(path, path.relative_to(tmp_path / "packed"))
    code = f"""if True:
        from llm_gateway.entry_points import find
        for point in find([{GROUP_NAME!r}]):
            for distribution in point.distributions:
                print(point.name, distribution.name, distribution.version)
    """
    environ = {
        **os.environ,
        "PYTHONPATH": str(tmp_path / "packed.zip"),
    }  # of its own: the standard library keeps the file open
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True, timeout=60
    )
    assert "one zipped 1.2" in done.stdout.splitlines()


def test_a_finder_of_its_own_is_searched(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "elsewhere", "odd", f"[{GROUP_NAME}]\none = module\n")

    class Finder:
        def find_spec(self, *_: Any) -> None: ...

        def find_distributions(self, context: Any = None) -> Any:
            return [importlib.metadata.PathDistribution(next((tmp_path / "elsewhere").iterdir()))]

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
    assert found() == [(GROUP_NAME, "one", "module")]


def test_an_entry_point_loads_a_module_or_an_object_in_it() -> None:
    load = [
        entry_points.EntryPoint("x", value, GROUP_NAME).load() for value in ("json", "json.decoder:JSONDecoder.decode")
    ]
    import json

    assert load == [json, json.JSONDecoder.decode]
