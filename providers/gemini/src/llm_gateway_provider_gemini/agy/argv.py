"""A request as a command of Antigravity. Pure.

It is driven by JSON lines on standard input: after `--print` the prompt would stand in the command line, and an open pipe
beside it has kept runs alive for ever. Its own time limit is put behind the gateway's, which is the one that counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from llm_gateway import Invocation, Posture, Request, Resume
from llm_gateway_provider_gemini.checking import check, directory, model

EXECUTABLE = "agy"
BASE = ("--input-format=stream-json", "--output-format=stream-json", "--disable-slash-commands")
ENV = {"AGY_CLI_DISABLE_AUTO_UPDATE": "1", "NO_COLOR": "1"}
#: `--mode accept-edits` lets no edit pass headless, and what `--mode plan` holds back is not documented.
LEVELS: dict[Posture, tuple[str, ...]] = {
    Posture.PROMPTED: (),
    Posture.BYPASS: ("--dangerously-skip-permissions",),
}
_EFFORT = re.compile(r"[a-z]{1,20}")
_LATER_S = 60


def build(request: Request, posture: Posture, resume: Resume) -> Invocation:
    """Say what is to be executed. Raises InvalidRequest for what Antigravity would misread."""
    limit = f"--print-timeout={int(request.timeout_s) + _LATER_S}s"
    argv = (EXECUTABLE, *BASE, limit, *LEVELS[posture], *_flags(request, resume))
    said = {"event": "user", "message": {"content": request.prompt.text}}
    return Invocation(argv=argv, stdin=json.dumps(said).encode() + b"\n", env=ENV)


def _flags(request: Request, resume: Resume) -> Iterator[str]:
    if not resume.fresh:
        yield f"--conversation={resume.native_id}"
    if request.model is not None:
        yield f"--model={model(request.model)}"
    if request.effort is not None:
        check(_EFFORT.fullmatch(request.effort), f"not a reasoning effort: {request.effort[:40]!r}")
        yield f"--effort={request.effort}"
    if request.output_schema is not None:
        yield "--json-schema=" + json.dumps(request.output_schema, separators=(",", ":"))
    for path in request.add_dirs:
        yield f"--add-dir={directory(path)}"
