"""The prompt as Claude Code's standard input, so that it arrives as text and as nothing else.

Claude Code looks for `/commands` and for `@paths` (which it reads, even outside of the working directory) in the last text
block of a message alone, and leaves blank blocks out of what it sends. So the words come as blocks of one JSON message, a
blank one last. A test with the real program holds it to that.
"""

from __future__ import annotations

import json
from typing import Any

from llm_gateway import Prompt

INPUT_FLAGS = ("--input-format", "stream-json")
_GUARD = {"type": "text", "text": "\n"}


def message(prompt: Prompt, *, mark_ttl: str | None) -> bytes:
    """One line of stream-json. `mark_ttl`: mark the end of the last part that the caller marked, for so long."""
    blocks: list[dict[str, Any]]
    if mark_ttl is None:
        blocks = [{"type": "text", "text": prompt.text}]
    else:
        mark = {"type": "ephemeral", "ttl": mark_ttl}
        end = prompt.marked_chars or len(prompt.prefix)
        blocks = [{"type": "text", "text": prompt.text[:end], "cache_control": mark}]
        if rest := prompt.text[end:]:
            blocks.append({"type": "text", "text": rest})
    return json.dumps({"type": "user", "message": {"role": "user", "content": [*blocks, _GUARD]}}).encode() + b"\n"
