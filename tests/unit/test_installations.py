"""Programs where version managers put them, and what is never selected."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from llm_gateway.errors import NotInstalled
from llm_gateway.installations import clean_path, find_installed, path_for, probe_environment, searched_folders
from llm_gateway.model.posture import Posture
from llm_gateway.model.provider import ProviderInfo
from llm_gateway.planning.invocation import require_program, run_environment

INFO = ProviderInfo(name="agent", title="Agent", executable="agent", install="get it", postures=(Posture.PROMPTED,))


def program(path: Path, text: str = "#!/bin/sh\necho 1.0\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@given(st.lists(st.sampled_from(["", ".", "..", "x", "./bin", "/usr/bin", "/bin", "~", "~/bin"]), max_size=6))
def test_a_runs_path_has_absolute_entries_alone_and_is_never_empty(entries: list[str]) -> None:
    cleaned = clean_path(os.pathsep.join(entries)).split(os.pathsep)
    assert all(map(os.path.isabs, cleaned))
    seen = run_environment({"PATH": os.pathsep.join(entries)}, allowed=(), passed=(), fixed={}, added={}, depth=1)
    assert all(map(os.path.isabs, seen["PATH"].split(os.pathsep)))


@pytest.mark.parametrize("where", ["fixed", "added"])
def test_a_path_that_the_operator_or_a_provider_sets_is_cleaned_too(where: str) -> None:
    given_by = {"fixed": {}, "added": {}} | {where: {"PATH": ":.:/usr/bin:bin"}}
    assert run_environment({}, allowed=(), passed=(), depth=1, **given_by)["PATH"] == "/usr/bin"


LAYOUTS = {
    "nvm": (".nvm/versions/node/v22.1.0/bin/agent", "node"),
    "volta": (".volta/bin/agent", "node"),
    "mise": (".local/share/mise/installs/node/22/bin/agent", "node"),
    "asdf": (".asdf/installs/nodejs/22.1.0/bin/agent", "node"),
    "bun": (".bun/bin/agent", "bun"),
    "pnpm": (".local/share/pnpm/agent", "node"),
    "homebrew": ("brew/bin/agent", "node"),
}


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
@pytest.mark.parametrize("linked", [False, True], ids=["itself", "through a link"])
def test_lesson_115_a_program_finds_the_interpreter_beside_it(tmp_path: Path, layout: str, linked: bool) -> None:
    place, interpreter = LAYOUTS[layout]
    agent = program(tmp_path / place, f"#!/usr/bin/env {interpreter}-of-{layout}\n")
    program(agent.with_name(f"{interpreter}-of-{layout}"), "#!/bin/sh\necho interpreted\n")
    start = agent
    if linked:
        start = tmp_path / "bin" / "agent"
        start.parent.mkdir()
        start.symlink_to(agent)
    env = probe_environment(str(start), {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)})
    assert env["PATH"].startswith("/usr/bin:/bin:")
    done = subprocess.run([start], env=env, capture_output=True, check=False)
    assert done.stdout == b"interpreted\n", done.stderr


def test_asdfs_shims_find_asdf(tmp_path: Path) -> None:
    shim = program(tmp_path / ".asdf/shims/agent", "#!/bin/sh\nexec asdf-of-test exec agent\n")
    program(tmp_path / ".asdf/bin/asdf-of-test", '#!/bin/sh\necho "$@"\n')
    done = subprocess.run([shim], env={"PATH": path_for(str(shim), "/usr/bin:/bin")}, capture_output=True, check=False)
    assert done.stdout == b"exec agent\n"


def test_the_users_own_order_stays_and_nothing_is_named_twice(tmp_path: Path) -> None:
    agent = program(tmp_path / "bin/agent")
    here = str(agent.parent)
    assert path_for(str(agent), f"/bin:{here}:/usr/bin") == f"/bin:{here}:/usr/bin"
    assert path_for(str(agent), "/bin") == f"/bin:{here}"


def test_a_folder_that_a_group_can_write_to_is_used_as_homebrews_is(tmp_path: Path) -> None:
    agent = program(tmp_path / "brew/bin/agent")
    agent.parent.chmod(0o775)
    assert find_installed("agent", {"PATH": LAUNCHD_PATH, "HOMEBREW_PREFIX": str(tmp_path / "brew")}) == str(agent)


def test_a_folder_that_everybody_can_write_to_is_not_added(tmp_path: Path) -> None:
    agent = program(tmp_path / "open/agent")
    agent.parent.chmod(0o777)
    assert path_for(str(agent), "/bin") == "/bin"


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert path_for(str(tmp_path / "a"), "/bin") == f"/bin:{tmp_path}"


#: What launchd gives to desktop programs on macOS, and these to the servers that they start.
LAUNCHD_PATH = "/usr/bin:/bin:/usr/sbin:/sbin"
PLACES = {
    "local": (".local/bin", {}),
    "cargo": (".cargo/bin", {}),
    "go": ("go/bin", {}),
    "npm": (".npm-global/bin", {}),
    "npm, moved": ("prefix/bin", {"npm_config_prefix": "prefix"}),
    "yarn": (".yarn/bin", {}),
    "nvm": (".nvm/versions/node/v9.0.0/bin", {}),
    "nvm, moved": ("n/versions/node/v22.1.0/bin", {"NVM_DIR": "n"}),
    "fnm": (".local/share/fnm/node-versions/v22/installation/bin", {}),
    "older fnm on macOS": ("Library/Application Support/fnm/node-versions/v22/installation/bin", {}),
    "fnm, moved": ("f/node-versions/v22/installation/bin", {"FNM_DIR": "f"}),
    "n": ("n/n/versions/node/22.1.0/bin", {}),
    "n, moved": ("p/bin", {"N_PREFIX": "p"}),
    "volta": (".volta/bin", {}),
    "volta, moved": ("v/bin", {"VOLTA_HOME": "v"}),
    "mise shims": (".local/share/mise/shims", {}),
    "mise": (".local/share/mise/installs/node/22/bin", {}),
    "mise, moved": ("m/shims", {"MISE_DATA_DIR": "m"}),
    "asdf shims": (".asdf/shims", {}),
    "asdf": (".asdf/installs/nodejs/22.1.0/bin", {}),
    "asdf, moved": ("a/shims", {"ASDF_DATA_DIR": "a"}),
    "bun": (".bun/bin", {}),
    "bun, moved": ("b/bin", {"BUN_INSTALL": "b"}),
    "pnpm": (".local/share/pnpm", {}),
    "pnpm 11": (".local/share/pnpm/bin", {}),
    "pnpm on macOS": ("Library/pnpm", {}),
    "pnpm, moved": ("p", {"PNPM_HOME": "p"}),
    "homebrew": ("brew/bin", {"HOMEBREW_PREFIX": "brew"}),
    "linuxbrew": (".linuxbrew/bin", {}),
    "nix": (".nix-profile/bin", {}),
    "uv": (".local/share/uv/tools/agent/bin", {}),
    "uv, moved": ("tools/agent/bin", {"UV_TOOL_DIR": "tools"}),
    "uv, programs moved": ("u", {"UV_TOOL_BIN_DIR": "u"}),
    "pipx": (".local/share/pipx/venvs/agent/bin", {}),
    "older pipx": (".local/pipx/venvs/agent/bin", {}),
    "older pipx on macOS": ("Library/Application Support/pipx/venvs/agent/bin", {}),
    "pipx, moved": ("x/venvs/agent/bin", {"PIPX_HOME": "x"}),
    "its own installer": (".agent/local", {}),
}


@pytest.mark.parametrize(("place", "variables"), PLACES.values(), ids=PLACES.keys())
def test_a_program_is_found_where_people_install_it(tmp_path: Path, place: str, variables: dict[str, str]) -> None:
    moved = {name: str(tmp_path / value) for name, value in variables.items()}
    environ = {"HOME": str(tmp_path), "PATH": LAUNCHD_PATH, **moved}
    agent = program(tmp_path / place / "agent")
    info = replace(INFO, program_folders=("~/.agent/local",))
    assert require_program(info, "", None, environ)[1].path == str(agent)
    assert str(agent.parent) in searched_folders(environ, info.program_folders)


@pytest.mark.parametrize("folder", ["/opt/homebrew/bin", "/usr/local/bin", "/home/linuxbrew/.linuxbrew/bin"])
def test_the_folders_of_a_whole_machine_are_searched_as_well(folder: str) -> None:
    assert folder in searched_folders({"HOME": "/home/nobody", "PATH": "/bin"})


def test_the_path_goes_before_all_other_places(tmp_path: Path) -> None:
    program(tmp_path / ".local/bin/agent")
    on_path = program(tmp_path / "mine/agent")
    environ = {"HOME": str(tmp_path), "PATH": f"relative:{on_path.parent}"}
    assert find_installed("agent", environ) == str(on_path)


def test_only_absolute_folders_are_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for place in ("planted/agent", "planted/bin/agent", "planted/shims/agent", "planted/versions/node/v1/bin/agent"):
        program(tmp_path / place)
    names = ("npm_config_prefix", "NVM_DIR", "VOLTA_HOME", "MISE_DATA_DIR", "ASDF_DATA_DIR", "BUN_INSTALL", "PNPM_HOME")
    names += ("UV_TOOL_DIR", "UV_TOOL_BIN_DIR", "PIPX_HOME", "PIPX_BIN_DIR", "HOMEBREW_PREFIX", "N_PREFIX", "FNM_DIR")
    environ = {"HOME": str(tmp_path / "home"), "PATH": "planted:", **dict.fromkeys(names, "planted")}
    assert find_installed("agent", environ, ("planted", "./planted")) is None
    assert all(map(os.path.isabs, searched_folders(environ, ("planted",))))


@pytest.mark.parametrize("what", ["file", "folder", "folder of the target"])
def test_a_program_that_others_can_change_is_not_used_and_the_error_says_why(tmp_path: Path, what: str) -> None:
    agent = program(tmp_path / ".volta/bin/agent")
    if what == "folder of the target":
        target = program(tmp_path / "open/agent")
        agent.unlink()
        agent.symlink_to(target)
    unsafe = {"file": agent, "folder": agent.parent, "folder of the target": tmp_path / "open"}[what]
    unsafe.chmod(0o777)
    environ = {"HOME": str(tmp_path), "PATH": "/usr/bin"}
    with pytest.raises(NotInstalled) as caught:
        require_program(INFO, "", None, environ)
    assert f"{agent} is not used" in caught.value.message
    assert f'executable = "{agent}"' in (caught.value.recovery or "")
    unsafe.chmod(0o755)
    assert find_installed("agent", environ) == str(agent)


def test_the_prefix_of_npms_own_settings_is_searched(tmp_path: Path) -> None:
    (tmp_path / ".npmrc").write_text("prefix = ${HOME}/mine\n")
    agent = program(tmp_path / "mine/bin/agent")
    assert find_installed("agent", {"HOME": str(tmp_path)}) == str(agent)


def test_a_settings_file_of_npm_that_is_no_file_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".npmrc")
    assert find_installed("no-such-agent", {"HOME": str(tmp_path)}) is None


def test_the_newest_version_is_used(tmp_path: Path) -> None:
    for version in ("v9.1.0", "v22.10.0", "v22.9.0"):
        program(tmp_path / ".nvm/versions/node" / version / "bin/agent")
    assert "v22.10.0" in (find_installed("agent", {"HOME": str(tmp_path)}) or "")


def test_what_is_nowhere_is_told_with_how_to_install_it(tmp_path: Path) -> None:
    with pytest.raises(NotInstalled) as caught:
        require_program(INFO, "", None, {"HOME": str(tmp_path), "PATH": "/usr/bin"})
    assert caught.value.recovery == "Install it: get it"
