"""A prompt cache: which beginnings of requests were seen before. Tokens are bytes / 4."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

#: A shorter beginning is not kept, as with the real services.
MINIMUM_TOKENS = 1024


@dataclass(frozen=True, kw_only=True)
class Counted:
    """A request's tokens."""

    fresh: int
    read: int
    written: int


def tokens_of(value: object) -> int:
    """How many tokens this is."""
    return len(value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()) // 4


class PrefixStore:
    """Remembers the beginnings that were marked."""

    def __init__(self) -> None:
        self._kept: set[str] = set()

    def count(self, scope: str, blocks: Sequence[Any], marks: Sequence[int]) -> Counted:
        """Count a request, and keep its marked beginnings.

        :param scope: what else must be the same for a hit: account and model.
        :param blocks: the request, piece by piece, without marks.
        :param marks: indexes of the blocks that end a beginning to be kept.
        """
        running = hashlib.sha256(scope.encode())
        sizes, hashes = [0], [""]
        for block in blocks:
            raw = json.dumps(block, sort_keys=True, ensure_ascii=False).encode()
            running.update(len(raw).to_bytes(8, "big") + raw)
            sizes.append(sizes[-1] + tokens_of(raw))
            hashes.append(running.hexdigest())
        last = max(marks, default=-1) + 1
        hit = max((n for n in range(last + 1) if hashes[n] in self._kept), default=0)
        end = last if sizes[last] >= MINIMUM_TOKENS else hit
        self._kept.update(hashes[mark + 1] for mark in marks if sizes[mark + 1] >= MINIMUM_TOKENS)
        return Counted(fresh=sizes[-1] - sizes[end], read=sizes[hit], written=sizes[end] - sizes[hit])
