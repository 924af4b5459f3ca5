"""Step 1: turn prompt or promptParts into one text with a stable prefix. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from llm_gateway.errors import InputTooLarge, InvalidRequest
from llm_gateway.model.request import Prompt

#: The programs accept this much on stdin.
MAX_PROMPT_BYTES = 10_000_000

_PREFIX_PARTS = ("system", "tools", "context")
_SEPARATOR = "\n\n"


def join_prompt(
    prompt: str | None, parts: Mapping[str, str | None] | None, cache_control: tuple[str, ...] = ()
) -> Prompt:
    """Make the prompt of a run.

    Parts are joined in the order system, tools, context, task, with one blank line between them; empty parts are left out. All but
    the task are the stable prefix. Raises InvalidRequest (both, neither, blank, NUL bytes) or InputTooLarge.
    """
    if prompt is not None and parts is not None:
        raise InvalidRequest("provide exactly one of prompt or promptParts")
    if prompt is None and parts is None:
        raise InvalidRequest("one of prompt or promptParts is required")
    if parts is None:
        return Prompt(text=_checked(prompt or ""))
    task = parts.get("task") or ""
    if not task.strip():
        raise InvalidRequest("promptParts.task is blank", recovery="Put the question itself into promptParts.task.")
    prefix = _SEPARATOR.join(text for name in _PREFIX_PARTS if (text := parts.get(name)))
    text = _checked(f"{prefix}{_SEPARATOR}{task}" if prefix else task)
    digest = hashlib.sha256(prefix.encode()).hexdigest() if prefix else None
    last = max((_PREFIX_PARTS.index(name) for name in cache_control), default=-1)
    marked = len(_SEPARATOR.join(part for name in _PREFIX_PARTS[: last + 1] if (part := parts.get(name))))
    marks = cache_control if marked else ()
    return Prompt(text=text, prefix=prefix, prefix_sha256=digest, marked_chars=marked, cache_control=marks)


def _checked(text: str) -> str:
    if not text.strip():
        raise InvalidRequest("the prompt is blank", recovery="Describe what the agent should do.")
    if "\0" in text:
        raise InvalidRequest("the prompt contains a NUL byte", recovery="Remove it: it cannot be passed on.")
    if len(text) > MAX_PROMPT_BYTES or len(text.encode()) > MAX_PROMPT_BYTES:
        raise InputTooLarge(f"the prompt is larger than {MAX_PROMPT_BYTES:,} bytes")
    return text
