"""docs/reference/spool-format.md describes every file and every JSON key that the engine and its shims write."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import anyio
import pytest

from llm_gateway.model.invocation import EndReason
from llm_gateway_engine_local.launcher import spec_document
from llm_gateway_engine_local.peers.notifier import Notifier
from llm_gateway_engine_local.peers.peers import Peers
from llm_gateway_engine_local.shim import fork_server

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "spool-format.md"


def described(heading: str) -> set[str]:
    """What stands in backquotes in the first column of the tables below a heading."""
    text = PAGE.read_text("utf-8")
    section = re.split(r"^#{2,3} ", text, flags=re.MULTILINE)
    body = next(part for part in section if part.splitlines()[0].strip("` ") == heading)
    cells = [line.split("|")[1] for line in body.splitlines() if line.startswith("|")]
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def keys_of(value: Any) -> set[str]:
    """Every key of a document, also inside its objects."""
    if not isinstance(value, dict):
        return set()
    return set(value) | {key for inner in value.values() for key in keys_of(inner)}


@pytest.fixture
def folders(play, make_spec, saw, home, tmp_path) -> list[Path]:
    """The folders of runs that end in every way that leaves other files or keys."""
    plain = make_spec(sh="echo out; echo err >&2", stdin=b"in", files={"a": b"1"}, artifacts=("{run_files}/a",))
    flood = make_spec(sh="yes | head -c 300000", output_bytes=1 << 16)
    limited = make_spec(sh="exit 3", memory_bytes=1 << 30, processes=64, cpu=1.0, idle_timeout_s=30.0)
    missing = make_spec(argv=("/nonexistent/program",))
    canceled, killed = (make_spec(sh="echo ready; exec sleep 100") for _ in range(2))
    never = make_spec(sh="true")

    async def scene(engine: Any) -> None:
        await engine.cancel(never.job_id)
        for spec in (plain, flood, limited, missing, canceled, killed):
            await engine.launch(spec)
        await saw(engine, canceled.job_id, b"ready")
        await engine.cancel(canceled.job_id)
        await saw(engine, killed.job_id, b"ready")
        during.extend(path.name for path in (home / "jobs" / killed.job_id).iterdir())
        os.kill(engine.view(killed.job_id).shim_pid, signal.SIGKILL)
        reasons = {(await engine.wait(spec.job_id)).reason for spec in specs}
        assert {EndReason.EXITED, EndReason.CANCELED, EndReason.VANISHED, EndReason.SPAWN_FAILED} <= reasons

    during: list[str] = []
    specs = [plain, flood, limited, missing, canceled, killed, never]
    play(scene)
    assert "state.json" in during
    return [home / "jobs" / spec.job_id for spec in specs]


def test_every_file_that_a_run_leaves_is_described(folders):
    names = described("The files")
    for folder in folders:
        for path in folder.rglob("*"):
            name = path.relative_to(folder).as_posix()
            general = f"{name}/" if path.is_dir() else re.sub(r"^artifacts/\d+$", "artifacts/<number>", name)
            assert general in names or general == "artifacts/", f"{name} is not described"


@pytest.mark.parametrize("name", ["spec.json", "state.json", "exit.json"])
def test_every_key_of_a_document_is_described_and_every_described_key_is_written(folders, name):
    documents = [json.loads(path.read_bytes()) for folder in folders if (path := folder / name).exists()]
    written = {key for document in documents for key in keys_of(document)}
    known = described(name)
    assert written - known - {"stdout", "stderr"} == set()  # the keys of `holes`
    optional = {"cgroup"} | {reason.value for reason in EndReason} | {"reason"}
    assert known - written - optional == set()


def test_every_reason_is_described():
    assert {reason.value for reason in EndReason} <= described("exit.json")


def test_every_key_of_the_message_is_described(make_spec):
    message = fork_server.pack("/folder", spec_document(make_spec(sh="true")), {"A": "1"}, {"a": b"1"})
    assert int.from_bytes(message[:8], "big") == len(message) - 8
    assert set(json.loads(message[8:])) == described("The message")


def test_every_file_of_the_home_is_described(home):
    one = Peers(home, "gateway-1")
    one.register()
    try:
        full = Notifier(home, "gateway-2")
        full.open()
        for _ in range(2000):
            one.notify("job-1")
        found = {path.relative_to(home).as_posix() for path in home.rglob("*") if not path.is_dir()}
        full.close()
    finally:
        one.unregister()
    general = {re.sub(r"gateway-\d", "<gateway id>", name) for name in found}
    assert general
    assert {f"<home>/{name}" for name in general} <= described("The home")


def test_the_limits_of_a_job_id_are_those_of_the_page(play):
    pattern = re.search(r"job id MUST match `([^`]+)`", PAGE.read_text("utf-8"))
    assert pattern

    async def scene(engine: Any) -> list[bool]:
        results = []
        for name in ("a", "a" * 128, "a" * 129, "-a", ".a", "a.b_c-d", "a/b", ""):
            try:
                await anyio.to_thread.run_sync(engine.view, name)
                accepted = True
            except ValueError:
                accepted = False
            results.append(accepted == bool(re.fullmatch(pattern[1], name)))
        return results

    assert all(play(scene))
