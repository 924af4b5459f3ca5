"""`llm-gateway ask`: one request, as a client would send it, and its answer."""

from __future__ import annotations

import argparse
import os
import sys
from difflib import get_close_matches
from typing import Any

import anyio

from llm_gateway.cli.answers import show_answer
from llm_gateway.cli.exits import Exit
from llm_gateway.cli.failures import UsageError, exit_of
from llm_gateway.cli.following import exit_of_status, follow
from llm_gateway.cli.human import person
from llm_gateway.cli.parsing import duration_s, parameters
from llm_gateway.cli.piped import all_of_stdin, piped_text
from llm_gateway.cli.running import call, with_gateway
from llm_gateway.cli.screen import looked_at, say, say_json
from llm_gateway.errors import GatewayError
from llm_gateway.model.gateway_api import GatewayApi
from llm_gateway.model.ids import JobId


def run(options: argparse.Namespace) -> int:
    """Ask."""
    if options.trace:
        os.environ["LLM_GATEWAY_TRACE_HOOKS"] = "1"
    arguments = request_arguments(options)
    return with_gateway(lambda gateway: _ask(gateway, options, arguments))


def request_arguments(options: argparse.Namespace) -> dict[str, Any]:
    """The request, as it would come over the wire. Raises UsageError."""
    given = {
        "prompt": _prompt(options),
        "model": options.model,
        "posture": options.posture,
        "sessionId": options.session,
        "resumeLatest": options.resume_latest or None,
        "createNewSession": options.new or None,
        "workingDir": options.dir,
        "timeoutMs": max(1, round(duration_s(options.timeout) * 1000)) if options.timeout else None,
    }
    arguments = {name: value for name, value in given.items() if value is not None}
    for name, value in parameters(options.param).items():
        if name == "promptParts":
            arguments.pop("prompt", None)
        if name in arguments:
            raise UsageError(f"{name} is given twice, as an option and as --param")
        arguments[name] = value
    if options.new:
        arguments.setdefault("forceRefresh", True)
    return arguments


async def _ask(gateway: GatewayApi, options: argparse.Namespace, arguments: dict[str, Any]) -> int:
    provider = options.provider
    if provider not in gateway.providers:
        near = get_close_matches(provider, list(gateway.providers), n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(
            f"no provider {provider} is installed{hint} (installed: {', '.join(gateway.providers) or 'none'})"
        )
    try:
        accepted = await call(gateway, f"{provider}_request_async", arguments, None if options.json else person())
    except GatewayError as error:
        if options.json:
            say_json({"status": "failed", "error": error.to_wire()})
            return exit_of(error)
        raise
    if "reused" in accepted:
        accepted["reused"] = accepted["reused"].replace("forceRefresh", "--new")
    job_id = accepted["job"]["id"]
    try:
        if options.detach:
            return await _detach(gateway, accepted, as_json=options.json)
        job = await gateway.store.get_job(JobId(job_id))
        if job is not None:
            await follow(gateway, job, show=looked_at(sys.stderr) and not options.json)
    except anyio.get_cancelled_exc_class():
        say(f"\ndetached; the job goes on: llm-gateway jobs wait {job_id}", sys.stderr)
        raise
    result = await call(gateway, "llm_job_result", {"jobId": job_id})
    if accepted["deduplicated"]:
        result |= {"deduplicated": True, "originalStartedAt": accepted["job"]["createdAt"]}
    if "reused" in accepted:
        result["reused"] = accepted["reused"]
    if options.json:
        say_json(result)
        return exit_of_status(result["status"])
    return show_answer(result)


async def _detach(gateway: GatewayApi, accepted: dict[str, Any], *, as_json: bool) -> int:
    if as_json:
        say_json(accepted)
    else:
        say(accepted["job"]["id"])
        if "reused" in accepted:
            say(f"llm-gateway: {accepted['reused']}", sys.stderr)
    if accepted["job"]["status"] == "queued" and looked_at(sys.stderr):
        say("waiting for a place; Ctrl-C leaves the start to the next gateway of this home", sys.stderr)
    await gateway.jobs.drained()
    return Exit.OK


def _prompt(options: argparse.Namespace) -> str:
    """The words on the command line, then what was piped in; `-`: that alone, however long it takes."""
    if options.prompt == "-":
        return all_of_stdin()
    words: str = options.prompt
    if any(pair.startswith("promptParts=") for pair in options.param):
        return words
    text = piped_text()
    return f"{words}\n\n{text}" if text.strip() else words
