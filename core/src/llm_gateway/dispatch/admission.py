"""Step 5: the dedup key, by which a job that asks to be let in is known again. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
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
    set_environment: Mapping[str, str],
    tree: str,
) -> str:
    """A SHA-256 over everything that could change the answer.

    A native id that was chosen for a fresh conversation is left out: it differs each time and changes nothing.

    :param program: identity of the executable.
    :param session: the conversation to continue; None for a fresh one.
    :param set_environment: what the gateway itself puts into the run's environment.
    :param tree: state of the working tree.
    """
    request = accepted.request
    chosen = accepted.resume.native_id if accepted.resume.fresh else None
    said = [element.replace(chosen, "<new>") if chosen else element for element in invocation.argv]
    parts: list[Any] = [
        request.provider,
        request.principal,
        program,
        said,
        hashlib.sha256(invocation.stdin or b"").hexdigest(),
        hashlib.sha256(request.prompt.text.encode()).hexdigest(),
        request.working_dir,
        list(request.add_dirs),
        sorted((name, hashlib.sha256(content).hexdigest()) for name, content in invocation.files.items()),
        request.model,
        accepted.posture.value,
        [session.id, session.turns] if session else None,
        sorted(server.name for server in request.mcp_servers),
        sorted({**invocation.env, **set_environment}.items()),
        request.output_schema,
        [request.timeout_s, request.idle_timeout_s],
        tree,
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode("utf-8", "surrogatepass")).hexdigest()
