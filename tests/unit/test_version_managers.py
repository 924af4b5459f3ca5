"""A repository that an agent works on does not choose the program that a version manager's shim runs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_gateway.git.repository import GitError, open_repository
from llm_gateway.model.request import McpServer
from llm_gateway.planning.servers import choose_servers
from llm_gateway.version_managers import ShimError, behind_shim, command_of, is_shim

#: Like asdf, mise and the others: the folder that `.tool-versions` of the current directory names, else the user's own.
MANAGER = """#!/bin/sh
own=$(dirname "$0")/../own
[ -f .tool-versions ] && own=$(cat .tool-versions)
case "$1" in
which) [ -x "$own/$2" ] || { echo "no version is set for $2" >&2; exit 126; }; (cd "$own" && echo "$PWD/$2") ;;
exec) shift; name=$1; shift; exec "$own/$name" "$@" ;;
*) exec "$own/$(basename "$0")" "$@" ;;
esac
"""
Make = Callable[[str, str], Path]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def script_shim(manager: str, root: Path, name: str) -> Path:
    program = write(root / "bin" / manager, MANAGER)
    return write(root / "shims" / name, f'#!/usr/bin/env bash\nset -e\nexec "{program}" exec "{name}" "$@"\n')


def asdf_shim(manager: str, root: Path, name: str) -> Path:
    write(root / "bin" / manager, MANAGER)
    return write(
        root / "shims" / name, f'#!/usr/bin/env bash\n# asdf-plugin: {name} 1\nexec {manager} exec "{name}" "$@"\n'
    )


def linked_shim(manager: str, root: Path, name: str) -> Path:
    program = write(root / "bin" / manager, MANAGER)
    if manager == "volta":
        program = write(root / "bin" / "volta-shim", MANAGER)
    shim = root / "shims" / name
    shim.parent.mkdir(parents=True, exist_ok=True)
    shim.symlink_to(program)
    return shim


KINDS = [
    *((asdf_shim, name) for name in ("asdf", "mise")),
    *((script_shim, name) for name in ("pyenv", "nodenv", "rbenv")),
    *((linked_shim, name) for name in ("mise", "rtx", "volta")),
]


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory: a repository that names programs of its own."""
    repository = tmp_path / "repository"
    for name in ("agent", "node", "git"):
        write(repository / "own" / name, "#!/bin/sh\necho hostile\n")
    (repository / ".tool-versions").write_text("./own")
    monkeypatch.chdir(repository)
    return repository


def environ(root: Path) -> dict[str, str]:
    return {"PATH": f"{root}/shims:{root}/bin:/usr/bin:/bin", "HOME": str(root)}


def output(*command: str, root: Path) -> str:
    return subprocess.run(
        command, env=environ(root), capture_output=True, text=True, check=True, timeout=20
    ).stdout.strip()


@pytest.mark.parametrize(("make", "manager"), KINDS)
def test_the_program_behind_a_shim_is_the_users_choice(
    make: Callable[[str, Path, str], Path], manager: str, hostile: Path, tmp_path: Path
) -> None:
    root = tmp_path / "managed"
    real = write(root / "own" / "agent", "#!/bin/sh\necho real\n")
    shim = make(manager, root, "agent")
    assert output(str(shim), root=root) == "hostile"  # so would a run be, without the search
    assert command_of(str(shim), environ(root)) == (str(real),)
    assert not is_shim(str(root / "bin" / manager))


@pytest.mark.parametrize(("make", "manager"), KINDS)
def test_the_interpreter_of_a_script_is_the_users_choice(
    make: Callable[[str, Path, str], Path], manager: str, hostile: Path, tmp_path: Path
) -> None:
    root = tmp_path / "managed"
    node = write(root / "own" / "node", '#!/bin/sh\necho "real node $1"\n')
    agent = write(tmp_path / "npm" / "agent", "#!/usr/bin/env node\n")
    make(manager, root, "node")
    assert output(str(agent), root=root) == "hostile"
    assert command_of(str(agent), environ(root)) == (str(node), str(agent))
    assert output(*command_of(str(agent), environ(root)), root=root) == f"real node {agent}"


def test_the_options_of_an_interpreter_are_kept(hostile: Path, tmp_path: Path) -> None:
    root = tmp_path / "managed"
    node = write(root / "own" / "node", "#!/bin/sh\n")
    script_shim("nodenv", root, "node")
    agent = write(tmp_path / "npm" / "agent", "#!/usr/bin/env -S node --no-warnings\n")
    assert command_of(str(agent), environ(root)) == (str(node), "--no-warnings", str(agent))


@pytest.mark.parametrize(
    "first", ["#!/bin/sh", "#!/usr/bin/env sh", "#!/usr/bin/env -S A=1 sh", "#!/usr/bin/env", "\x7fELF", ""]
)
def test_a_program_without_a_shim_is_run_as_it_is(first: str, tmp_path: Path) -> None:
    program = str(write(tmp_path / "shims" / "agent", f"{first}\n"))
    assert command_of(program, environ(tmp_path)) == (program,)


def test_a_changed_choice_of_the_user_counts_at_once(tmp_path: Path) -> None:
    root = tmp_path / "managed"
    first = write(root / "own" / "agent", "#!/bin/sh\n")
    shim = str(script_shim("pyenv", root, "agent"))
    assert behind_shim(shim, environ(root)) == str(first)
    os.rename(root / "own", root / "old")
    second = write(root / "own2" / "agent", "#!/bin/sh\n")
    (root / "own").symlink_to("own2")
    assert os.path.realpath(behind_shim(shim, environ(root))) == str(second)


def test_a_shim_without_a_program_says_what_its_manager_said(tmp_path: Path) -> None:
    shim = script_shim("pyenv", tmp_path, "agent")
    with pytest.raises(ShimError, match="no version is set for agent"):
        behind_shim(str(shim), environ(tmp_path))


def test_a_shim_whose_manager_is_missing_is_not_run(tmp_path: Path) -> None:
    shim = asdf_shim("asdf", tmp_path, "agent")
    (tmp_path / "bin" / "asdf").unlink()
    with pytest.raises(ShimError, match="asdf"):
        behind_shim(str(shim), environ(tmp_path))


def test_an_mcp_server_is_started_without_its_shim(hostile: Path, tmp_path: Path) -> None:
    root = tmp_path / "managed"
    node = write(root / "own" / "node", "#!/bin/sh\n")
    script_shim("nodenv", root, "node")
    tool = write(root / "bin" / "tool", "#!/usr/bin/env node\n")
    registry = {"tool": McpServer(name="tool", command="tool", args=("serve",))}
    [server], _ = choose_servers(["tool"], [], registry, held=True, environ=environ(root))
    assert (server.command, server.args) == (str(node), (str(tool), "serve"))


def test_npx_takes_nothing_from_the_repository(tmp_path: Path) -> None:
    npx = write(tmp_path / "bin" / "npx", "#!/bin/sh\n")
    registry = {"tool": McpServer(name="tool", command="npx", args=("-y", "tool@latest"))}
    [server], _ = choose_servers(["tool"], [], registry, held=True, environ=environ(tmp_path))
    assert (server.command, server.args) == ("npx", ("--prefix", str(npx.parents[1]), "-y", "tool@latest"))
    own = {**environ(tmp_path), "npm_config_prefix": "/home/me/npm"}
    [server], _ = choose_servers(["tool"], [], registry, held=True, environ=own)
    assert server.args[:2] == ("--prefix", "/home/me/npm")


def test_a_prefix_of_the_operator_is_kept(tmp_path: Path) -> None:
    write(tmp_path / "bin" / "npx", "#!/bin/sh\n")
    tool = McpServer(name="tool", command="npx", args=("--prefix=/srv/tools", "tool"))
    [server], _ = choose_servers(["tool"], [], {"tool": tool}, held=True, environ=environ(tmp_path))
    assert server == tool


def test_git_is_never_chosen_by_the_repository(hostile: Path, tmp_path: Path) -> None:
    script_shim("rbenv", tmp_path / "managed", "git")
    (hostile / ".git").mkdir()
    (hostile / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    for folder in ("objects", "refs"):
        (hostile / ".git" / folder).mkdir()
    with pytest.raises(GitError, match="names no program"), open_repository(hostile, environ(tmp_path / "managed")):
        pass
