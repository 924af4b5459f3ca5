"""Build the command of a request for Antigravity. Pure.

The prompt is JSON lines on standard input: with `--print` it would be in the command line, and with an open pipe in addition
some runs never ended. Antigravity's time limit is set longer than the gateway's, which ends the run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from llm_gateway import Invocation, Posture, Request, Resume
from llm_gateway_provider_kit import arguments

EXECUTABLE = "agy"
BASE = ("--input-format=stream-json", "--output-format=stream-json", "--disable-slash-commands")
ENV = {"AGY_CLI_DISABLE_AUTO_UPDATE": "1", "NO_COLOR": "1"}
#: Headless, `--mode accept-edits` permits no edit, and the restrictions of `--mode plan` are not documented.
LEVELS: dict[Posture, tuple[str, ...]] = {
    Posture.PROMPTED: (),
    Posture.BYPASS: ("--dangerously-skip-permissions",),
}
_EFFORT = re.compile(r"[a-z]{1,20}")
_MARGIN_S = 60


def build(request: Request, posture: Posture, resume: Resume) -> Invocation:
    """Return the command. Raises InvalidRequest for values that Antigravity would misread."""
    limit = f"--print-timeout={int(request.timeout_s) + _MARGIN_S}s"
    argv = (EXECUTABLE, *BASE, limit, *LEVELS[posture], *_flags(request, resume))
    message = {"event": "user", "message": {"content": request.prompt.text}}
    return Invocation(argv=argv, stdin=json.dumps(message).encode() + b"\n", env=ENV)


def _flags(request: Request, resume: Resume) -> Iterator[str]:
    if not resume.fresh:
        yield f"--conversation={resume.native_id}"
    if request.model is not None:
        yield f"--model={arguments.model(request.model)}"
    if request.effort is not None:
        arguments.require(_EFFORT.fullmatch(request.effort), f"not a reasoning effort: {request.effort[:40]!r}")
        yield f"--effort={request.effort}"
    if request.output_schema is not None:
        yield arguments.option("--json-schema", arguments.schema(request.output_schema))
    for path in request.add_dirs:
        yield arguments.option("--add-dir", arguments.directory(path))
