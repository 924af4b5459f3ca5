"""Which files of their own programs read beside the working directory."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from llm_gateway import PluginHost, Prompt, ProviderInfo, Request, in_parents, with_imports
from llm_gateway.model.request import Accepted
from llm_gateway.planning.reuse import dedup_key
from llm_gateway.planning.surroundings import watched_paths

PROGRAMS = {
    "claude": "CLAUDE.md",
    "codex": "AGENTS.md",
    "gemini": "GEMINI.md",
    "grok": "AGENTS.md",
    "mistral": "AGENTS.md",
}
HOMES = {
    "claude": ("CLAUDE_CONFIG_DIR", "settings.json", ".claude"),
    "codex": ("CODEX_HOME", "config.toml", ".codex"),
    "gemini": ("GEMINI_CLI_HOME", ".gemini/settings.json", "."),
    "grok": ("GROK_HOME", "config.toml", ".grok"),
    "mistral": ("VIBE_HOME", "config.toml", ".vibe"),
}


@pytest.fixture(scope="module")
def providers() -> dict[str, ProviderInfo]:
    host = PluginHost.discover(os.environ)
    host.load_all()
    return dict(host.providers)


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_reads_its_settings_login_and_instructions(
    name: str, providers: dict[str, ProviderInfo], tmp_path: Path
) -> None:
    variable, settings, usual = HOMES[name]
    for info in providers[name].programs.values():
        told = info.config_files({"HOME": str(tmp_path)}, "/a/b")
        assert all(os.path.isabs(path) for path in told)
        assert len(told) == len(set(told))
        assert os.path.normpath(tmp_path / usual / settings) in told
        assert {f"/a/b/{PROGRAMS[name]}", f"/a/{PROGRAMS[name]}", f"/{PROGRAMS[name]}"} <= {*told}
        elsewhere = info.config_files({"HOME": str(tmp_path), variable: "/moved"}, "/a/b")
        assert f"/moved/{settings}" in elsewhere


def test_what_the_program_writes_at_each_run_is_not_among_them(
    providers: dict[str, ProviderInfo], tmp_path: Path
) -> None:
    own = {str(tmp_path / folder) for folder in (".claude", ".claude.json", ".codex", ".gemini", ".grok", ".vibe")}
    for info in providers.values():
        assert not own & set(info.config_files({"HOME": str(tmp_path)}, str(tmp_path / "work")))


def test_the_same_fresh_request_to_any_program_has_the_same_key_and_names_no_path_of_its_own() -> None:
    host = PluginHost.discover(os.environ)
    host.load_all()
    for name, whole in host.providers.items():
        for variant, info in whole.programs.items():
            request = Request(provider=name, variant=variant, prompt=Prompt(text="x"), working_dir="/w")
            request = replace(request, options=info.options_model())
            keys = set()
            for _ in range(2):
                resume = host.resume_session(name, request, None)
                built = host.build_argv(name, request, info.default_posture, resume)
                accepted = Accepted(request=request, posture=info.default_posture, resume=resume)
                keys.add(dedup_key(accepted, built, program="p", session=None, environment=dict(built.env)))
                assert watched_paths(request, built) == (), name
            assert len(keys) == 1, name


def test_names_are_looked_for_in_every_directory_above() -> None:
    assert in_parents("/a/b", ["x", "y"]) == ["/a/b/x", "/a/b/y", "/a/x", "/a/y", "/x", "/y"]


def test_imports_are_followed_once_and_only_so_far(tmp_path: Path) -> None:
    (tmp_path / "A.md").write_text("Read @docs/B.md and @~/C.md, write to me@example.org\n")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/B.md").write_text("@../A.md\n@deeper.md")
    os.mkfifo(tmp_path / "docs/deeper.md")
    found = with_imports([str(tmp_path / "A.md"), str(tmp_path / "none.md")], "/home/x")
    names = [str(tmp_path / name) for name in ("A.md", "none.md", "docs/B.md", "docs/deeper.md")]
    assert sorted(found) == sorted([*names, "/home/x/C.md"])


def test_a_thousand_imports_come_to_an_end(tmp_path: Path) -> None:
    (tmp_path / "A.md").write_text("\n".join(f"@{number}.md" for number in range(1000)))
    assert len(with_imports([str(tmp_path / "A.md")], "/")) == 101
