"""Write the prompt to Claude Code's standard input so that it is only text.

Claude Code searches only the last text block of a message for `/commands` and `@paths` (it reads those files, even outside
of the working directory), and does not send blank blocks. So the prompt is sent as blocks of one JSON message, and the last
block is blank. A test with the real program checks this.
"""

from __future__ import annotations

import json
from typing import Any

from llm_gateway import Prompt

INPUT_FLAGS = ("--input-format", "stream-json")
_GUARD = {"type": "text", "text": "\n"}


def message(prompt: Prompt, *, mark_ttl: str | None) -> bytes:
    """Return one line of stream-json. `mark_ttl`: set a cache mark with this TTL at the end of the caller's last marked part."""
    blocks: list[dict[str, Any]]
    if mark_ttl is None:
        blocks = [{"type": "text", "text": prompt.text}]
    else:
        mark = {"type": "ephemeral", "ttl": mark_ttl}
        end = prompt.marked_chars or len(prompt.prefix)
        blocks = [{"type": "text", "text": prompt.text[:end], "cache_control": mark}]
        rest = prompt.text[end:]
        if rest:
            blocks.append({"type": "text", "text": rest})
    return json.dumps({"type": "user", "message": {"role": "user", "content": [*blocks, _GUARD]}}).encode() + b"\n"
