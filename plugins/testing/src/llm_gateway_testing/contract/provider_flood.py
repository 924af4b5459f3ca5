"""The reader under a flood: whatever comes, and however much, it takes linear time and keeps no more than it was given."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from llm_gateway import Summary
from llm_gateway_testing.contract.provider_case import ProviderCase, Sample

_PIECE = 512
_SIZE = 1_000_000
#: Of processor time; a linear reader takes a fraction of it.
_CPU_S = 10.0
_OWN = 2_000_000  #: what a reader may need for itself
FLOODS = {
    "one endless line": b"QWxsIHdvcmsgYW5kIG5vIHBsYXk5",
    "empty lines": b"\n",
    "events that nobody knows": b'{"type": "nobody knows this", "text": "x"}\n',
    "an object that is never closed": b'{"type": [',
    "a string that is never closed": b'\\"{"',
}


class FloodContract(ProviderCase):
    """`gateway_open_reader` and `gateway_explain_failure`, on more than anybody would say."""

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
        assert took_s < _CPU_S, f"{_SIZE:,} bytes in pieces of {_PIECE} bytes took {took_s:.1f} s"

    @pytest.mark.parametrize("flood", ["one endless line", "events that nobody knows"])
    def test_lesson_10_a_flood_is_kept_no_more_than_twice(self, flood: str) -> None:
        piece = (FLOODS[flood] * (1 << 16))[: 1 << 16]
        reader = self.host.open_reader(self.name, self.request())
        tracemalloc.start()
        try:
            for _ in range(_SIZE // len(piece)):
                list(reader.feed("stdout", piece))
            kept, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert kept < 2 * _SIZE + _OWN, f"{kept:,} bytes were kept of {_SIZE:,}"

    @pytest.mark.parametrize("stream", ["stdout", "stderr"])
    def test_lesson_87_a_failure_with_very_much_to_say_is_explained_in_linear_time(self, stream: str) -> None:
        words = "error: " + "QWxsIHdvcmsgYW5kIG5vIHBsYXk5" * 10_000
        said = {"stdout": words.encode()} if stream == "stdout" else {"stdout": b"", "stderr": words[-8192:]}
        sample = Sample(name="crash", exit_code=1, **said)
        reader = self.host.open_reader(self.name, self.request())
        begun = time.thread_time()
        list(reader.feed(stream, words.encode()))
        self.host.explain_failure(self.name, self.finished(sample, reader.finish(sample.end)))
        assert time.thread_time() - begun < _CPU_S
