"""Long output, cut characters, and followers."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from llm_gateway.model.invocation import EndReason

MEGABYTE = 1 << 20
FLOOD = "import os\nline=b'%015d\\n'\nfor i in range({count}):\n os.write(1, b''.join(line % (i*4096+n) for n in range(4096)))"


def private_memory(pid: int) -> int:
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Private_"))


def test_lesson_10_100_megabytes_complete_and_head_and_tail_are_kept(play, make_spec, home):
    cap = 4 * MEGABYTE
    spec = make_spec(py=FLOOD.format(count=1600), output_bytes=cap)  # 16 bytes x 4096 x 1600 = 100 MiB
    peak = 0

    async def scene(engine):
        nonlocal peak
        await engine.launch(spec)
        async for _ in engine.changes(spec.job_id):
            view = engine.view(spec.job_id)
            if view.alive:
                try:
                    peak = max(peak, private_memory(view.shim_pid))
                except OSError:
                    continue
        end = await engine.wait(spec.job_id)
        start, stop = end.holes["stdout"]
        read = engine.read_output
        return end, [
            read(spec.job_id, "stdout", 0, 16),
            read(spec.job_id, "stdout", start - 16, 32),
            read(spec.job_id, "stdout", stop - 16, 32),
            read(spec.job_id, "stdout", 100 * MEGABYTE - 16, 99),
            read(spec.job_id, "stdout", 100 * MEGABYTE, 99),
        ]

    end, parts = play(scene)
    assert (end.reason, end.exit_code, end.stdout_bytes) == (EndReason.EXITED, 0, 100 * MEGABYTE)
    assert end.truncated
    start, stop = end.holes["stdout"]
    assert 0 <= start - cap // 2 < 4096
    assert 0 <= (100 * MEGABYTE - stop) - cap // 2 < 4096
    zeros = b"\0" * 16
    assert parts == [
        b"%015d\n" % 0,
        b"%015d\n" % (start // 16 - 1) + zeros,
        zeros + b"%015d\n" % (stop // 16),
        b"%015d\n" % (100 * MEGABYTE // 16 - 1),
        b"",
    ]
    found = os.stat(home / "jobs" / spec.job_id / "stdout")
    assert found.st_blocks * 512 < cap + 64 * 1024
    assert 0 < peak < 8 * MEGABYTE


def test_output_below_the_limit_has_no_hole(play, make_spec):
    spec = make_spec(py=FLOOD.format(count=16), output_bytes=MEGABYTE)

    async def scene(engine):
        await engine.launch(spec)
        return await engine.wait(spec.job_id)

    end = play(scene)
    assert end.stdout_bytes == MEGABYTE
    assert not end.truncated


def test_lesson_5_the_hole_of_a_vanished_run_is_still_known(play, make_spec, saw, tmp_path):
    spec = make_spec(
        py=FLOOD.format(count=64) + "\nprint('done', file=__import__('sys').stderr)\nimport time; time.sleep(100)",
        output_bytes=MEGABYTE,
    )

    async def scene(engine):
        await engine.launch(spec)
        async for _ in engine.changes(spec.job_id):
            if engine.read_output(spec.job_id, "stdout", MEGABYTE // 2, 16) == b"\0" * 16:  # punched already
                break
        os.kill(engine.view(spec.job_id).shim_pid, signal.SIGKILL)
        return await engine.wait(spec.job_id)

    end = play(scene)
    assert end.reason is EndReason.VANISHED
    assert end.holes["stdout"][0] == MEGABYTE // 2
    assert end.truncated


def test_lesson_12_multibyte_characters_survive_odd_cuts(play, make_spec):
    code = (
        "import os\ndata=('\\u20ac'*50000).encode()\ni=0\n"
        "while i<len(data):\n n=i%7*2+1; os.write(1, data[i:i+n]); i+=n"
    )
    spec = make_spec(py=code)

    async def scene(engine):
        await engine.launch(spec)
        output = b""
        async for _ in engine.changes(spec.job_id):
            while part := engine.read_output(spec.job_id, "stdout", len(output), 1001):
                output += part
        return output, (await engine.wait(spec.job_id)).stdout_bytes

    output, size = play(scene)
    assert output.decode() == "€" * 50_000
    assert size == 150_000


@pytest.mark.parametrize("inotify", [True, False], ids=["inotify", "looking"])
def test_a_follower_sees_all_output_and_then_the_end(play, make_spec, inotify, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    spec = make_spec(sh="echo one; read line < fifo; echo two")

    async def scene(engine):
        await engine.launch(spec)
        seen = []
        async for _ in engine.changes(spec.job_id):
            output = engine.read_output(spec.job_id, "stdout", 0, 99)
            if output == b"one\n" and output not in seen:
                with open(tmp_path / "fifo", "w") as fifo:  # noqa: ASYNC230
                    fifo.write("go\n")
            if output not in seen:
                seen.append(output)
        return seen

    seen = play(scene, inotify=inotify)
    assert seen[-1] == b"one\ntwo\n"
    assert b"one\n" in seen


def test_two_followers_of_two_runs_do_not_disturb_each_other(play, make_spec):
    import anyio

    specs = [make_spec(sh=f"for i in 1 2 3 4 5; do echo {name}; sleep 0.02; done") for name in ("a", "b", "c")]

    async def scene(engine):
        results = {}

        async def follow(spec, key, patience):
            with anyio.move_on_after(patience):
                async for _ in engine.changes(spec.job_id):
                    results[key] = engine.read_output(spec.job_id, "stdout", 0, 99)

        async with anyio.create_task_group() as group:
            for number, spec in enumerate(specs):
                await engine.launch(spec)
                group.start_soon(follow, spec, (number, "short"), 0.03)
                group.start_soon(follow, spec, (number, "long"), 20)
        return [results[number, "long"] for number in range(3)]

    assert play(scene) == [b"a\n" * 5, b"b\n" * 5, b"c\n" * 5]


def test_a_view_of_every_change_does_not_make_changes(play, make_spec):
    spec = make_spec(sh="echo x; exec sleep 0.5")

    async def scene(engine):
        await engine.launch(spec)
        ticks = 0
        async for _ in engine.changes(spec.job_id):
            engine.view(spec.job_id)
            ticks += 1
        return ticks

    assert play(scene) < 12


def test_100_runs_at_once_all_come_back(play, make_spec):
    import anyio

    specs = [make_spec(argv=(sys.executable, "-I", "-S", "-c", f"print({n})")) for n in range(100)]

    async def scene(engine):
        outputs = {}

        async def run(number, spec):
            await engine.launch(spec)
            await engine.wait(spec.job_id)
            outputs[number] = int(engine.read_output(spec.job_id, "stdout", 0, 9))

        async with anyio.create_task_group() as group:
            for number, spec in enumerate(specs):
                group.start_soon(run, number, spec)
        return outputs

    assert play(scene) == {number: number for number in range(100)}
