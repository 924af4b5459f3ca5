"""Print the answer of a job."""

from __future__ import annotations

import sys
from typing import Any

from llm_gateway.cli.exits import Exit
from llm_gateway.cli.screen import is_terminal, one_line, say, shown, styled, styled_state
from llm_gateway.cli.vocabulary import at_terminal


def show_answer(result: dict[str, Any]) -> Exit:
    """Print the text of a reply to stdout and everything else to stderr. Returns the exit code."""
    if result.get("text"):
        say(shown(result["text"], sys.stdout))
    if result.get("reused"):
        say(f"llm-gateway: {result['reused']}", sys.stderr)
    error = result.get("error")
    if error:
        say(shown(f"llm-gateway: {at_terminal(error['message'])} ({error['code']})", sys.stderr), sys.stderr)
        if error.get("providerMessage"):
            say(shown(f"Message of the provider: {error['providerMessage']}", sys.stderr), sys.stderr)
        if error.get("recovery"):
            say(at_terminal(error["recovery"]), sys.stderr)
    elif result["status"] != "completed" and not is_terminal(sys.stderr):
        say(f"llm-gateway: {result['jobId']} is {result['status']}", sys.stderr)
    if is_terminal(sys.stderr):
        for warning in result.get("warnings", ()):
            note = shown(f"note: {at_terminal(warning.get('message', warning.get('code')))}", sys.stderr)
            say(styled(note, "yellow", sys.stderr), sys.stderr)
        say(_summary(result), sys.stderr)
    return Exit.of_status(result["status"])


def _summary(result: dict[str, Any]) -> str:
    parts = [styled_state(result["status"], sys.stderr), *answer_facts(result), result["jobId"]]
    approval = result.get("approval") or {}
    if approval.get("policy"):
        parts.append(f"{approval['posture']}, allowed by {approval['policy']}")
    if result.get("deduplicated") and not result.get("reused"):
        parts.append("the same request was running already; this is its answer")
    if result.get("resumable"):
        parts.append(f"continue with --session {result['gatewaySessionId']}")
    return styled(" · ", "dim", sys.stderr).join(parts)


def answer_facts(result: dict[str, Any]) -> list[str]:
    """Return model, time, tokens and cost as short texts, without those that are unknown."""
    usage = result.get("usage") or {}
    found = [one_line(result["model"])] if result.get("model") else []
    if result.get("durationMs") is not None:
        found.append(f"{result['durationMs'] / 1000:.1f} s")
    if "inputTokens" in usage or "outputTokens" in usage:
        found.append(f"{usage.get('inputTokens', '?')} tokens in, {usage.get('outputTokens', '?')} out")
    if result.get("costUsd") is not None:
        found.append(f"${result['costUsd']:.4f}")
    return found
