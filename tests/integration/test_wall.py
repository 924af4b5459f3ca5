"""What a walled program sees, writes and reaches. A script that tries everything stands in for an agent."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.walled import World, anyio_backend, world

__all__ = ["anyio_backend", "world"]

pytestmark = pytest.mark.anyio


def git(*words: str | Path) -> None:
    identity = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }
    subprocess.run(
        ["git", "-c", "protocol.file.allow=always", *map(str, words)],
        check=True,
        capture_output=True,
        timeout=30,
        env={**os.environ, **identity},
    )


def repository(folder: Path) -> Path:
    git("init", "--quiet", folder)
    (folder / "file").write_text("x")
    git("-C", folder, "add", ".")
    git("-C", folder, "commit", "--quiet", "-m", "first")
    return folder


# ------------------------------------------------------------------------------------------------------------------ files


async def test_secrets_of_the_user_the_gateway_and_other_runs_are_not_there(world: World) -> None:
    other = world.factory.home / "jobs" / "job-other"
    other.mkdir(parents=True)
    (other / "stdin").write_text("another prompt")
    said = await world.told(
        f"cat {world.folder}/.ssh/id; ls -a {world.folder}; ls -a {world.factory.home} {other}; "
        "cat /etc/shadow; ls /root /home /var/lib /run /srv /mnt; id -u; grep Cap /proc/self/status"
    )
    assert "a-secret-word" not in said
    assert ".ssh" not in said.splitlines()
    assert "config.toml" not in said.splitlines()
    assert not any(line.startswith("root:") for line in said.splitlines())
    assert "CapEff:\t0000000000000000" in said
    assert "CapBnd:\t0000000000000000" in said


async def test_it_writes_where_it_works_and_nowhere_else(world: World) -> None:
    more, elsewhere = world.folder / "more", world.folder / "elsewhere"
    more.mkdir()
    elsewhere.mkdir()
    places = [
        world.work / "in",
        more / "in",
        elsewhere / "out",
        world.folder / "out",
        Path("/tmp/out"),
        Path("/usr/out"),
    ]
    writes = "; ".join(f"echo x > {path}" for path in places)
    await world.told(f"{writes}; mount -o remount,rw {world.work}/.git; umount {world.work}", addDirs=[str(more)])
    assert [path.name for path in (world.work, more) if (path / "in").exists()] == ["site", "more"]
    assert [path for path in places[2:] if path.exists()] == []


@pytest.mark.parametrize("posture", ["read_only", "plan"])
async def test_a_posture_that_only_looks_writes_nothing(world: World, posture: str) -> None:
    said = await world.told(f"echo x > {world.work}/in; echo seen; ls -a {world.work}", posture=posture)
    assert "seen" in said
    assert list(world.work.iterdir()) == []


NAMES = (".git", ".claude", ".codex", ".gemini", ".grok", ".vibe")


@pytest.mark.parametrize("there", [True, False], ids=["there", "not there"])
async def test_what_decides_over_later_runs_is_read_only_whether_it_is_there_or_not(world: World, there: bool) -> None:
    for name in NAMES if there else ():
        (world.work / name).mkdir()
        (world.work / name / "mine").write_text("mine")
    tries = [
        f"echo bad > {name}/mine; mkdir {name}; rm -rf {name}; mv {name} moved; ln -s /tmp {name}" for name in NAMES
    ]
    await world.told("; ".join([f"cd {world.work}", *tries, "git init --quiet .", "true"]))
    left = {path.relative_to(world.work).as_posix() for path in world.work.rglob("*")}
    wanted = {*NAMES, *(f"{name}/mine" for name in NAMES)} if there else set()
    assert left == wanted
    assert all((world.work / name / "mine").read_text() == "mine" for name in NAMES if there)


@pytest.mark.parametrize("kind", ["plain", "worktree", "submodule", "nested", "subfolder"])
async def test_no_hook_of_any_repository_can_be_written_and_git_still_reads(world: World, kind: str) -> None:
    whole = repository(world.folder / "whole")
    work, hooks = whole, whole / ".git" / "hooks"
    if kind == "worktree":
        work = world.folder / "tree"
        git("-C", whole, "worktree", "add", "--quiet", work)
    elif kind == "submodule":
        git("-C", whole, "submodule", "--quiet", "add", repository(world.folder / "part"), "sub")
        work, hooks = whole / "sub", whole / ".git" / "modules" / "sub" / "hooks"
    elif kind == "nested":
        hooks = repository(whole / "deep" / "er") / ".git" / "hooks"
    elif kind == "subfolder":
        work = whole / "part"
        work.mkdir()
    before = sorted(hooks.iterdir())
    script = f"cd {work}; git -c safe.directory='*' log --oneline; echo bad > {hooks}/post-commit; echo x > {work}/in"
    said = await world.told(script, workingDir=str(work))
    assert "first" in said
    assert sorted(hooks.iterdir()) == before
    assert (work / "in").exists()


@pytest.mark.parametrize("place", [".ssh", "whole/.git"])
async def test_a_git_file_that_somebody_wrote_opens_nothing(world: World, place: str) -> None:
    repository(world.folder / "whole")
    (world.folder / ".ssh" / "HEAD").write_text("ref: refs/heads/main\n")
    (world.work / ".git").write_text(f"gitdir: {world.folder / place}\n")
    said = await world.told(
        f"cat {world.folder}/.ssh/id {world.folder}/whole/.git/config; echo bad > {world.work}/.git"
    )
    assert "a-secret-word" not in said
    assert "repositoryformatversion" not in said
    assert (world.work / ".git").read_text().startswith("gitdir:")


async def test_a_link_in_the_place_of_what_is_protected_is_refused_and_nothing_runs(world: World) -> None:
    (world.work / ".claude").symlink_to(world.folder / "elsewhere")
    answer = await world.ask(f"touch {world.work}/ran")
    assert answer["error"]["code"] == "provider_failed"
    assert ".claude is a symbolic link" in answer["error"]["providerMessage"]
    assert not (world.work / "ran").exists()


async def test_its_own_settings_stay_and_its_own_folder_is_written_also_behind_a_link(world: World) -> None:
    real = world.folder / "elsewhere"
    real.mkdir()
    own = Path(world.factory.environ["LLM_GATEWAY_ECHO_HOME"])
    os.symlink(real, own)
    said = await world.told(f"echo kept > {own}/conversation; echo done")
    assert said == "done\n"
    assert (real / "conversation").read_text() == "kept\n"


# ---------------------------------------------------------------------------------------------------------------- kernel


def pattern() -> str:
    return Path("/proc/sys/kernel/core_pattern").read_text()


async def test_what_only_root_may_change_in_the_kernel_stays(world: World) -> None:
    before = pattern()
    said = await world.told(
        "cat /proc/sys/kernel/core_pattern > /proc/sys/kernel/core_pattern; ls /sys/kernel; ls /dev"
    )
    assert "Read-only file system" in said or "Permission denied" in said
    assert pattern() == before
    assert "mem" not in said.split()


async def test_nobody_outside_is_seen_or_signalled(world: World) -> None:
    said = await world.told(f"kill -9 {os.getpid()}; ls -d /proc/[0-9]*")
    assert len([line for line in said.splitlines() if line.startswith("/proc/")]) < 10


# --------------------------------------------------------------------------------------------------------------- network


PROBE = """{python} - <<'PY'
import os, socket
def tried(name, how):
    try: how(); print(name, "open")
    except Exception as error: print(name, "closed")
tried("loopback", lambda: socket.create_connection(("127.0.0.1", {port}), 3))
def abstract():
    line = socket.socket(socket.AF_UNIX); line.connect("\\0{name}")
tried("abstract", abstract)
print("proxy", bool(os.environ.get("HTTPS_PROXY")), os.environ.get("DBUS_SESSION_BUS_ADDRESS"), os.environ["TMPDIR"])
PY"""


@pytest.mark.parametrize(
    ("network", "door", "proxy"), [("on", "open", False), ("off", "closed", False), ("model-only", "closed", True)]
)
async def test_what_a_run_reaches(world: World, network: str, door: str, proxy: bool) -> None:
    name = f"wall-test-{os.getpid()}"
    world.factory.environ["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=/run/bus"
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(f"\0{name}")
        abstract.listen()
        settings = f'[wall]\nnetwork = "{network}"\n[providers.echo]\nenv_pass = ["DBUS_SESSION_BUS_ADDRESS"]\n'
        said = await world.told(
            PROBE.format(python=sys.executable, port=server.getsockname()[1], name=name), settings=settings
        )
    assert f"loopback {door}\nabstract {door}\nproxy {proxy} None /tmp" in said


async def test_a_rule_changes_it_for_a_provider_or_a_posture(world: World) -> None:
    rules = """
[[wall.rules]]
provider = "echo"
network = "off"
[[wall.rules]]
provider = "another"
network = "on"
[[wall.rules]]
posture = "bypass"
enabled = false
"""
    inside = 'echo "proxy ${HTTPS_PROXY:-none}"; ls -d ' + f"{world.folder}/.ssh"
    free = await world.told(f"touch /tmp/said; {inside}", settings=rules)
    held = await world.told(inside, settings=rules, posture="workspace_write")
    assert f"{world.folder}/.ssh" in free.splitlines()
    assert held.startswith("proxy none")
    assert "No such file" in held
