"""What is looked at before an answer is reused, and how long anybody waits for it."""

from __future__ import annotations

import threading
import time

import pytest
from pydantic import BaseModel

from llm_gateway import Invocation, McpServer, Posture, Prompt, Request
from llm_gateway.planning.surroundings import BoundedThreads, left_state, watched_paths


class Options(BaseModel):
    """A provider's own parameters."""

    value: object = None


def watched(
    *argv: str, option: object = None, add_dirs: tuple[str, ...] = (), server: McpServer | None = None
) -> set[str]:
    request = Request(
        provider="p",
        prompt=Prompt(text="/not/a/parameter"),
        working_dir="/where/here",
        add_dirs=add_dirs,
        options=Options(value=option),
        mcp_servers=(server,) if server else (),
    )
    return set(watched_paths(request, Invocation(argv=("/bin/program", *argv))))


@pytest.mark.parametrize(
    ("word", "path"),
    [
        ("/etc/schema.json", "/etc/schema.json"),
        ("--schema=/etc/schema.json", "/etc/schema.json"),
        ('instructions="/etc/rules.md"', "/etc/rules.md"),
        ("../rules.md", "/where/rules.md"),
        ("--rules=a/../../rules.md", "/where/rules.md"),
        ("/a/../b", "/b"),
    ],
)
def test_a_file_that_a_parameter_names_is_looked_at(word: str, path: str) -> None:
    assert watched(word) == {path}
    assert watched(option={"deep": [word]}) == {path}


@pytest.mark.parametrize(
    "word",
    [
        "inside.md",
        "a/b.md",
        "--flag",
        "/where/here",
        "--cd=/where/here",
        "--prompt-file=/dev/stdin",
        "/proc/self/fd/0",
        "/more",
        "a\n/b",
        "x" * 5000,
        "/\ud800",
    ],
)
def test_what_is_looked_at_anyway_and_what_is_no_path_is_left_out(word: str) -> None:
    assert watched(word, option=word, add_dirs=("/more",)) == set()


def test_the_files_of_an_mcp_server_are_looked_at() -> None:
    server = McpServer(name="s", command="/opt/server", args=("--config=/opt/config", "plain"))
    assert watched(server=server) == {"/opt/server", "/opt/config"}


@pytest.mark.parametrize("posture", [Posture.READ_ONLY, Posture.PLAN])
def test_a_run_that_could_not_write_must_have_found_what_it_left(posture: Posture) -> None:
    assert left_state(posture, "a", "a") == "a"
    assert left_state(posture, "a", "b") is None
    assert left_state(posture, None, "b") is None


@pytest.mark.parametrize("posture", [posture for posture in Posture if posture > Posture.PLAN])
def test_a_run_that_could_write_is_known_by_what_it_left(posture: Posture) -> None:
    assert left_state(posture, "a", "b") == "b"
    assert left_state(posture, "a", None) is None


def test_work_that_is_done_in_time_gives_its_result() -> None:
    threads = BoundedThreads()
    assert threads.within("a", 20, lambda: "done") == "done"
    assert threads.within("a", 20, lambda: int("no number")) is None
    assert threads.within("a", 0, lambda: "done") is None


def test_work_that_hangs_is_given_up_and_not_begun_again_before_it_is_over() -> None:
    threads, over, begun, running = BoundedThreads(), threading.Event(), [], threading.Event()

    def hang() -> str:
        begun.append(threading.current_thread())
        running.set()
        over.wait(60)
        return "late"

    try:
        before = time.monotonic()
        assert threads.within("a", 0.05, hang) is None
        assert [threads.within("a", 20, hang) for _ in range(50)] == [None] * 50
        assert time.monotonic() - before < 10
        assert running.wait(60)
        assert len(begun) == 1
        assert threads.within("b", 20, lambda: "other") == "other"
    finally:
        over.set()
        begun[0].join(60)
    assert threads.within("a", 20, lambda: "again") == "again"


def test_only_so_many_may_hang() -> None:
    threads, over, begun = BoundedThreads(), threading.Event(), []

    def hang() -> None:
        begun.append(threading.current_thread())
        over.wait(60)

    try:
        for number in range(40):
            assert threads.within(str(number), 0.01, hang) is None
        assert 0 < sum(thread.is_alive() for thread in begun) <= 16
    finally:
        over.set()
        for thread in begun:
            thread.join(60)


def test_what_is_begun_can_be_waited_for_later_within_the_same_time() -> None:
    threads, over = BoundedThreads(), threading.Event()
    wait = threads.begin("a", 20, lambda: over.wait(60) and "done")
    over.set()
    assert wait() == "done"


def test_a_thread_does_one_work_after_another() -> None:
    threads = BoundedThreads()
    assert len({threads.within("the same", 60, threading.get_ident) for _ in range(20)}) == 1


def test_works_at_the_same_time_have_a_thread_each() -> None:
    threads, together = BoundedThreads(), threading.Barrier(6, timeout=60)
    for _ in range(3):  # the threads that waited are used again
        waits = [threads.begin(f"work {number}", 60, together.wait) for number in range(6)]
        assert sorted(wait() for wait in waits) == list(range(6))


def test_a_thread_without_work_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_gateway.planning.surroundings._IDLE_S", 0.01)
    thread = BoundedThreads().within("look", 60, threading.current_thread)
    assert thread is not None
    thread.join(60)
    assert not thread.is_alive()
