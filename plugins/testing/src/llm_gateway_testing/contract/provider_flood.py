"""The reader under a flood of output: it needs linear time and keeps at most about the size of its input."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from llm_gateway import Summary
from llm_gateway_testing.contract.provider_case import ProviderCase, Sample

_PIECE = 512
_SIZE = 1_000_000
#: Processor time in seconds; a linear reader needs a fraction of it.
_CPU_S = 10.0
_READER_BYTES = 2_000_000  #: memory that a reader may need in addition to its input
FLOODS = {
    "one endless line": b"QWxsIHdvcmsgYW5kIG5vIHBsYXk5",
    "empty lines": b"\n",
    "unknown events": b'{"type": "nobody knows this", "text": "x"}\n',
    "an object that is never closed": b'{"type": [',
    "a string that is never closed": b'\\"{"',
}


class FloodContract(ProviderCase):
    """`gateway_open_reader` and `gateway_explain_failure` on very large output."""

    @pytest.mark.parametrize("flood", FLOODS)
    def test_lesson_11_a_flood_in_small_pieces_takes_linear_time(self, flood: str) -> None:
        piece = (FLOODS[flood] * _PIECE)[:_PIECE]
        reader = self.host.open_reader(self.name, self.request())
        begun = time.thread_time()
        for _ in range(_SIZE // _PIECE):
            list(reader.feed("stdout", piece))
        summary = reader.finish(Sample(name="flood", stdout=b"").end)
        took_s = time.thread_time() - begun
        assert isinstance(summary, Summary)
        assert took_s < _CPU_S, (
            f"the reader needed {took_s:.1f} s of processor time for {_SIZE:,} bytes in pieces of {_PIECE} bytes: do not "
            "search or copy all earlier output at each `feed`"
        )

    @pytest.mark.parametrize("flood", ["one endless line", "unknown events"])
    def test_lesson_10_a_flood_is_stored_at_most_twice(self, flood: str) -> None:
        piece = (FLOODS[flood] * (1 << 16))[: 1 << 16]
        reader = self.host.open_reader(self.name, self.request())
        tracemalloc.start()
        try:
            for _ in range(_SIZE // len(piece)):
                list(reader.feed("stdout", piece))
            kept, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert kept < 2 * _SIZE + _READER_BYTES, f"the reader keeps {kept:,} bytes after {_SIZE:,} bytes of output"

    @pytest.mark.parametrize("stream", ["stdout", "stderr"])
    def test_lesson_87_a_failure_with_a_very_long_message_is_explained_in_linear_time(self, stream: str) -> None:
        text = "error: " + "QWxsIHdvcmsgYW5kIG5vIHBsYXk5" * 10_000
        if stream == "stdout":
            sample = Sample(name="crash", exit_code=1, stdout=text.encode())
        else:
            sample = Sample(name="crash", exit_code=1, stdout=b"", stderr=text[-8192:])
        reader = self.host.open_reader(self.name, self.request())
        begun = time.thread_time()
        list(reader.feed(stream, text.encode()))
        self.host.explain_failure(self.name, self.finished(sample, reader.finish(sample.end)))
        took_s = time.thread_time() - begun
        assert took_s < _CPU_S, (
            f"explaining {len(text):,} characters took {took_s:.1f} s: check the regular expressions"
        )
