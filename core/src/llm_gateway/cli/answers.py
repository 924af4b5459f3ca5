"""Print the answer of a job."""

from __future__ import annotations

import sys
from typing import Any

from llm_gateway.cli.exits import Exit
from llm_gateway.cli.following import SHORT_ID_CHARS
from llm_gateway.cli.lists import cost_text, local_time
from llm_gateway.cli.screen import is_terminal, one_line, say, shown, styled, styled_state
from llm_gateway.cli.vocabulary import at_terminal

#: The code of a warning that is shown before the run: its agent's limit is used up.
LIMIT_REACHED = "limit_reached"
_SESSION_CHARS = len("gw-") + 8


def show_answer(result: dict[str, Any], streamed: str = "") -> Exit:
    """Print the text of a reply to stdout and everything else to stderr. Returns the exit code.

    :param streamed: what `follow` has printed to stdout already: a reply that ends it is not printed again.
    """
    if result.get("text") and not _ends_with(streamed, result["text"]):
        say(shown(result["text"], sys.stdout))
    if result.get("reused"):
        say(f"llm-gateway: {result['reused']}", sys.stderr)
    error = result.get("error")
    if error:
        say(shown(f"llm-gateway: {at_terminal(error['message'])} ({error['code']})", sys.stderr), sys.stderr)
        if error.get("providerMessage"):
            say(shown(f"Message of the provider: {error['providerMessage']}", sys.stderr), sys.stderr)
        if error.get("resetAt"):
            say(f"The limit is reset at {local_time(error['resetAt'])}.", sys.stderr)
        if error.get("recovery"):
            say(at_terminal(error["recovery"]), sys.stderr)
    elif result["status"] != "completed" and not is_terminal(sys.stderr):
        say(f"llm-gateway: {result['jobId']} is {result['status']}", sys.stderr)
    if is_terminal(sys.stderr):
        for warning in result.get("warnings", ()):
            if warning.get("code") == LIMIT_REACHED:
                continue
            note = shown(f"note: {at_terminal(warning.get('message', warning.get('code')))}", sys.stderr)
            say(styled(note, "yellow", sys.stderr), sys.stderr)
        say(_summary(result), sys.stderr)
    return Exit.of_status(result["status"])


def _ends_with(streamed: str, text: str) -> bool:
    """Return whether the streamed text ends with the reply, whatever the white space between its parts."""
    return bool(streamed) and "".join(streamed.split()).endswith("".join(text.split()))


def _summary(result: dict[str, Any]) -> str:
    """Return one or two lines about the result, with ids that the commands understand."""
    dot = styled(" · ", "dim", sys.stderr)
    job_id = result["jobId"][:SHORT_ID_CHARS]
    parts = [styled_state(result["status"], sys.stderr), *answer_facts(result), job_id]
    approval = result.get("approval") or {}
    if approval.get("policy"):
        parts.append(f"{approval['posture']}, allowed by {approval['policy']}")
    if result.get("deduplicated") and not result.get("reused"):
        parts.append("the same request was running already; this is its answer")
    if not result.get("resumable"):
        return dot.join(parts)
    session = result["gatewaySessionId"][:_SESSION_CHARS]
    hint = f'continue with: llm-gateway ask {result["provider"]} --session {session} "…"'
    return f"{dot.join(parts)}\n{styled(hint, 'dim', sys.stderr)}"


def answer_facts(result: dict[str, Any]) -> list[str]:
    """Return model, time, tokens and cost as short texts, without those that are unknown."""
    usage = result.get("usage") or {}
    found = [one_line(result["model"])] if result.get("model") else []
    if result.get("durationMs") is not None:
        found.append(f"{result['durationMs'] / 1000:.1f} s")
    if "inputTokens" in usage or "outputTokens" in usage:
        found.append(f"{usage.get('inputTokens', '?')} tokens in, {usage.get('outputTokens', '?')} out")
    cost = cost_text(result.get("costUsd"))
    if cost is not None:
        found.append(cost)
    return found
