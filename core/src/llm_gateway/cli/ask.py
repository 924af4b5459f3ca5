"""`llm-gateway ask`: send one request, as an MCP client does, and print the answer."""

from __future__ import annotations

import argparse
import os
import sys
from difflib import get_close_matches
from typing import Any

import anyio

from llm_gateway.cli.answers import LIMIT_REACHED, show_answer
from llm_gateway.cli.exits import Exit, UsageError
from llm_gateway.cli.failures import exit_of
from llm_gateway.cli.following import follow, say_detached
from llm_gateway.cli.human import terminal_approval
from llm_gateway.cli.parsing import duration_s, parameters
from llm_gateway.cli.piped import all_of_stdin, piped_text
from llm_gateway.cli.running import call_operation, with_gateway
from llm_gateway.cli.screen import is_terminal, say, say_json, styled
from llm_gateway.cli.typed_ids import session_id_of
from llm_gateway.cli.vocabulary import at_terminal
from llm_gateway.errors import GatewayError
from llm_gateway.model.gateway_api import GatewayApi
from llm_gateway.model.ids import JobId


def run(options: argparse.Namespace) -> int:
    """Run the subcommand."""
    if options.trace:
        os.environ["LLM_GATEWAY_TRACE_HOOKS"] = "1"
    arguments = request_arguments(options)
    return with_gateway(lambda gateway: _ask(gateway, options, arguments))


def request_arguments(options: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of the request, in wire format. Raises UsageError."""
    timeout_ms = None
    if options.timeout:
        timeout_ms = max(1, round(duration_s(options.timeout) * 1000))
    given = {
        "prompt": _prompt(options),
        "model": options.model,
        "posture": options.posture,
        "sessionId": options.session,
        "resumeLatest": options.resume_latest or None,
        "createNewSession": options.new or None,
        "workingDir": options.dir,
        "timeoutMs": timeout_ms,
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
    if arguments.get("sessionId"):
        arguments["sessionId"] = await session_id_of(gateway, arguments["sessionId"])
    try:
        ask_user = None if options.json else terminal_approval()
        accepted = await call_operation(gateway, f"{provider}_request_async", arguments, ask_user)
    except GatewayError as error:
        if options.json:
            say_json({"status": "failed", "error": error.to_wire()})
            return exit_of(error)
        raise
    if "reused" in accepted:
        accepted["reused"] = at_terminal(accepted["reused"])
    job_id = accepted["job"]["id"]
    streamed = ""
    if not options.json:
        _warn_of_limit(accepted["warnings"])
    try:
        if options.detach:
            return await _detach(gateway, accepted, as_json=options.json)
        job = await gateway.store.get_job(JobId(job_id))
        if job is not None:
            show = is_terminal(sys.stderr) and not options.json
            streamed = await follow(gateway, job, show=show, keep_lines=False)
    except anyio.get_cancelled_exc_class():
        say_detached([job_id])
        raise
    result = await call_operation(gateway, "llm_job_result", {"jobId": job_id})
    if accepted["deduplicated"]:
        result["deduplicated"] = True
        result["originalStartedAt"] = accepted["job"]["createdAt"]
    if "reused" in accepted:
        result["reused"] = accepted["reused"]
    if options.json:
        say_json(result)
        return Exit.of_status(result["status"])
    return show_answer(result, streamed)


def _warn_of_limit(warnings: list[dict[str, Any]]) -> None:
    """Warn before the user waits for a request that will probably fail."""
    for warning in warnings:
        if warning.get("code") == LIMIT_REACHED:
            say(styled(f"note: {at_terminal(warning['message'])}", "yellow", sys.stderr), sys.stderr)


async def _detach(gateway: GatewayApi, accepted: dict[str, Any], *, as_json: bool) -> int:
    if as_json:
        say_json(accepted)
    else:
        say(accepted["job"]["id"])
        if "reused" in accepted:
            say(f"llm-gateway: {accepted['reused']}", sys.stderr)
    if accepted["job"]["status"] == "queued" and is_terminal(sys.stderr):
        say("the job is queued; after Ctrl-C the next gateway of this home starts it", sys.stderr)
    await gateway.jobs.drained()
    return Exit.OK


def _prompt(options: argparse.Namespace) -> str:
    """Return the prompt of the command line, followed by the text that was piped in. `-` reads only stdin, without a time limit."""
    if options.prompt == "-":
        return all_of_stdin()
    prompt: str = options.prompt
    if any(pair.startswith("promptParts=") for pair in options.param):
        return prompt
    text = piped_text()
    return f"{prompt}\n\n{text}" if text.strip() else prompt
