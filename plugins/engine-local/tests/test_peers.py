"""Leases and notifications between the gateways of one home."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from llm_gateway_engine_local.peers.lease import Lease, is_alive
from llm_gateway_engine_local.peers.notifier import OVERFLOW, Notifier, folder_of, notify


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def notifier(home):
    notifiers = []

    def make(name):
        notifier = Notifier(home, name)
        notifier.open()
        notifiers.append(notifier)
        return notifier

    yield make
    for one in notifiers:
        one.close()
    assert not home.exists() or list((home / "notifiers").iterdir()) == []


def receive(notifier):
    async def main():
        with anyio.fail_after(10):
            return await notifier.receive()

    return anyio.run(main)


def test_every_gateway_receives_every_notification(home, notifier):
    first, second = notifier("one"), notifier("two")
    for payload in (b"job-a", b"job-b", b"job-a"):
        notify(home, payload)
    assert receive(first) == {"job-a", "job-b"}
    assert receive(second) == {"job-a", "job-b"}
    assert stat.S_IMODE((Path(folder_of(str(home))) / "one").stat().st_mode) == 0o600


def test_a_notification_ends_the_wait(home, notifier):
    receiver = notifier("one")

    async def main():
        received = set()

        async def listen():
            received.update(await receiver.receive())

        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                group.start_soon(listen)
                await anyio.wait_all_tasks_blocked()
                notify(home, b"now")
        return received

    assert anyio.run(main) == {"now"}


def test_a_receiver_with_a_full_buffer_learns_that_it_missed_something(home, notifier):
    receiver = notifier("one")
    for number in range(2000):
        notify(home, b"job-%d" % number)
    received = receive(receiver)
    assert OVERFLOW in received
    assert len(received) > 1
    notify(home, b"later")
    assert receive(receiver) == {"later"}


def test_the_socket_of_an_ended_gateway_is_removed(home, notifier):
    notifier("alive")
    code = "import sys,os; from llm_gateway_engine_local.peers.notifier import Notifier; Notifier(sys.argv[1],'dead').open(); os._exit(0)"
    subprocess.run([sys.executable, "-c", code, str(home)], check=True)
    folder = Path(folder_of(str(home)))
    assert (folder / "dead").exists()
    notify(home, b"x")
    assert sorted(path.name for path in folder.iterdir()) == ["alive"]


def test_a_notification_without_a_home_does_nothing(home):
    notify(home, b"x")
    assert not home.exists()


def test_a_path_that_is_too_long_for_a_socket_works(tmp_path):
    home = tmp_path / ("long" * 40) / "home"
    receiver = Notifier(home, "one")
    receiver.open()
    notify(home, b"job-a")
    assert receive(receiver) == {"job-a"}
    receiver.close()
    receiver.close()


def test_the_folder_of_notifiers_of_an_earlier_version_is_removed(home):
    """It held sockets of ended gateways, and marks that one of them missed something."""
    bells = home / "bells"
    bells.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ended:
        ended.bind(str(bells / "ended"))
    (bells / "ended.missed").touch()
    receiver = Notifier(home, "one")
    receiver.open()
    receiver.close()
    assert not bells.exists()


def test_a_gateway_of_an_earlier_version_keeps_its_notifiers(home):
    bells = home / "bells"
    bells.mkdir(parents=True)
    (bells / "notes.txt").write_text("a user's file")
    (bells / "running.missed").touch()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as running:
        running.bind(str(bells / "running"))
        receiver = Notifier(home, "one")
        receiver.open()
        receiver.close()
        assert {path.name for path in bells.iterdir()} == {"running", "running.missed", "notes.txt"}


def test_a_folder_of_an_earlier_version_that_is_a_link_is_not_touched(home, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    home.mkdir()
    (home / "bells").symlink_to(elsewhere)
    receiver = Notifier(home, "one")
    receiver.open()
    receiver.close()
    assert elsewhere.is_dir()
    assert (home / "bells").is_symlink()


def test_a_lease_is_visible_while_it_is_held(home):
    lease = Lease(home, "gateway-1")
    assert not is_alive(home, "gateway-1")
    lease.open()
    assert is_alive(home, "gateway-1")
    assert is_alive(home, "gateway-1")
    with pytest.raises(TimeoutError):
        Lease(home, "gateway-1").open()
    lease.close()
    lease.close()
    assert not is_alive(home, "gateway-1")


def test_lesson_81_a_killed_gateway_is_not_alive_at_once_and_its_file_is_removed(home):
    code = "import sys,pathlib; from llm_gateway_engine_local.peers.lease import Lease; Lease(pathlib.Path(sys.argv[1]),'g').open(); print('up',flush=True); input()"
    gateway = subprocess.Popen([sys.executable, "-c", code, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert gateway.stdout.readline() == b"up\n"
        os.utime(home / "gateways" / "g", (0, 0))
        assert is_alive(home, "g")
    finally:
        gateway.kill()
        gateway.communicate()
    assert not is_alive(home, "g")
    assert not (home / "gateways" / "g").exists()
