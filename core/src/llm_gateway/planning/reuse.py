"""Step 5: the dedup key, which is equal for equal requests. Pure.

It covers the request itself. `surroundings.py` covers the files that the run finds on the disk.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from llm_gateway.model.invocation import Invocation
from llm_gateway.model.request import Accepted
from llm_gateway.model.session import Session


def dedup_key(
    accepted: Accepted,
    invocation: Invocation,
    *,
    program: str,
    session: Session | None,
    environment: Mapping[str, str],
    instructions: str = "",
) -> str:
    """Return a SHA-256 over everything in a request that could change the answer. No value can be read from it.

    A native id that was chosen for a fresh conversation is left out: it differs each time and has no effect on the answer.

    :param program: identity of the executable.
    :param session: the conversation to continue; None for a fresh one.
    :param environment: the whole environment of the run.
    :param instructions: a digest of the instruction files that apply: a request with others is another request.
    """
    request = accepted.request
    chosen = accepted.resume.native_id if accepted.resume.fresh else None

    def without_id(text: str) -> str:
        return text.replace(chosen, "<new>") if chosen else text

    def digest(data: bytes) -> str:
        return hashlib.sha256(data.replace(chosen.encode(), b"<new>") if chosen else data).hexdigest()

    parts: list[Any] = [
        request.provider,
        request.principal,
        program,
        [without_id(element) for element in invocation.argv],
        digest(invocation.stdin or b""),
        hashlib.sha256(request.prompt.text.encode("utf-8", "surrogatepass")).hexdigest(),
        request.working_dir,
        list(request.add_dirs),
        sorted((name, digest(content)) for name, content in invocation.files.items()),
        [without_id(path) for path in invocation.artifacts],
        request.model,
        accepted.posture.value,
        [session.id, session.turns] if session else None,
        [asdict(server) for server in sorted(request.mcp_servers, key=lambda server: server.name)],
        sorted((name, without_id(value)) for name, value in environment.items()),
        request.output_schema,
        [request.timeout_s, request.idle_timeout_s],
        [request.instructions, instructions],
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode("utf-8", "surrogatepass")).hexdigest()
