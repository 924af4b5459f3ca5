"""The key of the manifest changes with everything that the answers of the handshake depend on."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_gateway_transport_mcp import handshake_cache, handshake_key


def flat(site: Path, source: Path) -> None:
    """As hatchling and uv do it."""
    (site / "_editable_impl_x.pth").write_text(f"{source}\n")


def finder(site: Path, source: Path) -> None:
    """As setuptools does it: no folder stands in the .pth file."""
    (site / "__editable__.x-1.pth").write_text("import __editable___x_finder; __editable___x_finder.install()")
    origin = {"url": source.as_uri(), "dir_info": {"editable": True}}
    (site / "x-1.dist-info" / "direct_url.json").write_text(json.dumps(origin))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site-packages"
    (folder / "x-1.dist-info").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(folder)])
    return folder


@pytest.mark.parametrize("install", [flat, finder])
def test_lesson_118_what_changes_the_code_of_an_editable_install_changes_the_key(
    site: Path, tmp_path: Path, install: Callable[[Path, Path], None]
) -> None:
    source = tmp_path / "my source"
    (source / "package").mkdir(parents=True)
    module = source / "package" / "tool.py"
    module.write_text("x = 1\n")
    install(site, source)
    environ = {"LLM_GATEWAY_HOME": str(tmp_path / "home")}
    keys = [handshake_key.key(environ)]
    assert handshake_key.key(environ) == keys[0]
    module.write_text("x = 22\n")
    keys.append(handshake_key.key(environ))
    os.utime(module, ns=(1, 1))
    keys.append(handshake_key.key(environ))
    (source / "package" / "new.py").write_text("")
    keys.append(handshake_key.key(environ))
    (source / "package" / "words.md").write_text("")
    keys.append(handshake_key.key(environ))
    module.unlink()
    keys.append(handshake_key.key(environ))
    assert len({json.dumps(key) for key in keys}) == len(keys)


def test_the_code_that_was_loaded_counts_not_what_was_edited_since(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    flat(site, source)
    environ = {"LLM_GATEWAY_HOME": str(tmp_path / "home")}
    monkeypatch.setattr(handshake_cache, "_code", None)
    handshake_cache.start(environ)
    before = handshake_key.key(environ)
    (source / "edited.py").write_text("")
    assert handshake_key.key(environ, handshake_cache.code_at_start()) == before
    assert handshake_key.key(environ) != before


def test_a_tree_that_is_too_large_to_look_at_is_never_remembered(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(3):
        (source / f"{number}.py").write_text("")
    flat(site, source)
    monkeypatch.setattr(handshake_key, "_MOST_FILES", 2)
    environ = {"LLM_GATEWAY_HOME": str(tmp_path / "home")}
    assert handshake_key.key(environ) != handshake_key.key(environ)


def test_hooks_that_are_no_files_hold_nothing_up(site: Path) -> None:
    os.mkfifo(site / "pipe.pth")
    (site / "folder.pth").mkdir()
    (site / "lines.pth").write_bytes(b"import os\n\xff\xfe\nrelative\n")
    assert handshake_key.installed_code()
