"""Output of every size and kind, and what it costs."""

from __future__ import annotations

import base64
import gc
import hashlib
import json
from pathlib import Path
from statistics import median

import anyio
import pytest

from tests.integration.gateway.world import Caller, Home

pytestmark = pytest.mark.anyio
MB = 1_000_000


def rss_mb() -> float:
    gc.collect()
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


async def pages(caller: Caller, job_id: str, stream: str = "stdout", size: int = 1_000_000) -> bytes:
    """Everything that a run printed, page by page, by offset."""
    whole, offset = bytearray(), 0
    while True:
        page = (await caller.result(job_id, raw=stream, offset=offset, maxChars=size))["page"]
        assert page["offset"] == offset
        piece = page["text"].encode() if "text" in page else base64.b64decode(page["base64"])
        assert page["nextOffset"] == offset + len(piece)
        whole += piece
        if page["nextOffset"] == page["size"] or not piece:
            return bytes(whole)
        offset = page["nextOffset"]


async def test_lesson_10_and_11_a_flood_costs_no_memory_is_paged_exactly_and_holds_up_nobody(home: Home) -> None:
    async with home.open() as caller:
        await caller.ask("warm up", scenario="flood", amount=2 * MB)
        before, times = rss_mb(), []
        job = await caller.start("flood", scenario="flood")
        with anyio.fail_after(60):
            while (await caller.wait(job, timeoutMs=0))["pending"]:
                begun = anyio.current_time()
                await caller.call("llm_job_status", jobId=job)
                await caller.jobs()
                times.append(anyio.current_time() - begun)
        told = await caller.result(job)
        assert rss_mb() - before < 20
        whole = await pages(caller, job)
    assert (told["status"], told["text"], told["truncated"]) == ("completed", "flood: 100000000 bytes", False)
    kept = (home.folder(job) / "stdout").read_bytes()
    assert len(whole) > 100 * MB
    assert hashlib.sha256(whole).digest() == hashlib.sha256(kept).digest()
    assert median(times) < 0.5


async def test_lesson_11_what_is_written_grows_with_the_output_and_not_with_its_square(home: Home) -> None:
    def written() -> int:
        return sum(path.stat().st_size for path in home.path.rglob("*") if path.is_file() and "stdout" not in path.name)

    sizes = []
    async with home.open() as caller:
        for amount in (MB, 20 * MB):
            before = written()
            told = await caller.ask("flood", scenario="flood", amount=amount)
            assert told["status"] == "completed"
            sizes.append(written() - before)
    assert abs(sizes[1] - sizes[0]) < 200_000


async def test_lesson_10_beyond_the_limit_head_and_tail_are_kept_and_the_run_goes_on(home: Home) -> None:
    home.set(limits__output_bytes=1_048_576)
    async with home.open() as caller:
        told = await caller.ask("big", scenario="flood", amount=20 * MB)
        job = told["jobId"]
        head = (await caller.result(job, raw="stdout", maxChars=1000))["page"]
        tail = (await caller.result(job, raw="stdout", offset=head["size"] - 400))["page"]
    assert (told["status"], told["text"], told["truncated"]) == ("completed", "flood: 20000000 bytes", True)
    assert "output_truncated" in [warning["code"] for warning in told["warnings"]]
    assert head["text"].startswith('{"type": "session"')
    assert tail["text"].rstrip().endswith('"text": "flood: 20000000 bytes"}')
    assert head["size"] > 20 * MB
    assert (home.folder(job) / "stdout").stat().st_blocks * 512 < 4 * MB


@pytest.mark.parametrize("chars", [100_000, 1_000_001])
async def test_lesson_12_characters_that_were_cut_by_writes_come_back_whole(home: Home, chars: int) -> None:
    async with home.open() as caller:
        told = await caller.ask("cut", scenario="odd_writes", amount=chars)
        text, job = told["text"], told["jobId"]
        if "nextOffset" in told:
            assert "text_cut" in [warning["code"] for warning in told["warnings"]]
            text += (await caller.result(job, offset=told["nextOffset"]))["text"]
        raw = await pages(caller, job, size=65_537)
    assert text == ("€漢ก" * (chars // 3 + 1))[:chars]
    assert json.loads(raw.decode().splitlines()[-1])["text"] == text


async def test_a_long_reply_is_paged_by_characters_and_every_cut_is_told(home: Home) -> None:
    async with home.open() as caller:
        told = await caller.ask("long", scenario="long_line", amount=2_500_000)
        assert (told["truncated"], told["nextOffset"], len(told["text"])) == (True, 1_000_000, 1_000_000)
        assert told["warnings"][0]["code"] == "text_cut"
        text, offset = told["text"], told["nextOffset"]
        while offset is not None:
            page = await caller.result(told["jobId"], offset=offset, maxChars=700_000)
            text, offset = text + page["text"], page.get("nextOffset")
        assert page["truncated"] is False
        beyond = await caller.result(told["jobId"], offset=9_000_000)
    assert len(text) == 2_500_000
    assert text.startswith("QWxsIHdvcmsgYW5kIG5vIHBsYXk5QWxs")
    assert beyond["text"] == ""


async def test_bytes_that_are_no_text_are_paged_as_base64(home: Home) -> None:
    async with home.open() as caller:
        told = await caller.ask("noise", scenario="garbage", amount=50)
        page = (await caller.result(told["jobId"], raw="stdout"))["page"]
        whole = await pages(caller, told["jobId"], size=7)
    expected = b'\xff\xfe\x00<html>502</html>\n{"type": "resu\n[1, 2]\n' * 50
    assert base64.b64decode(page["base64"]).endswith(expected)
    assert "text" not in page
    assert whole == base64.b64decode(page["base64"])


async def test_a_page_beyond_the_end_is_empty(home: Home) -> None:
    async with home.open() as caller:
        told = await caller.ask("short")
        page = (await caller.result(told["jobId"], raw="stdout", offset=10**12))["page"]
        nothing = (await caller.result(told["jobId"], raw="stderr"))["page"]
    assert (page["text"], page["nextOffset"], page["partial"]) == ("", 10**12, False)
    assert (nothing["text"], nothing["size"]) == ("", 0)


async def test_lesson_87_a_line_of_ten_million_letters_is_read_as_it_is(home: Home) -> None:
    async with home.open() as caller:
        told = await caller.ask("one line", scenario="long_line")
        tail = await caller.result(told["jobId"], offset=9_999_990)
    assert told["status"] == "completed"
    assert "nextOffset" not in tail
    assert len(tail["text"]) == 10


async def test_output_is_let_go_when_it_is_not_to_be_kept_and_the_reply_stays(home: Home) -> None:
    home.set(jobs__keep_output="until_fetched")
    async with home.open() as caller:
        unread = await caller.start("a word that must not stay", forceRefresh=True)
        await caller.wait(unread, answers=False)
        assert (await caller.result(unread, raw="stdout"))["page"]["text"], "nobody has had the reply yet"
        told = await caller.ask("a word that must not stay", createNewSession=True, forceRefresh=True)
    async with home.open() as caller:
        again = await caller.result(told["jobId"])
        page = (await caller.result(told["jobId"], raw="stdout"))["page"]
    assert again["text"] == told["text"]
    assert page["text"] == ""
    kept = {path.name: path.read_bytes() for path in home.folder(told["jobId"]).iterdir() if path.is_file()}
    assert [name for name, content in kept.items() if b"must not stay" in content] == ["reply.txt"]
