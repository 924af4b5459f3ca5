"""Antigravity's failures, as they are reported: decided by the status of its last line and by known words on stderr."""

from __future__ import annotations

from llm_gateway_provider_gemini.failures import Rule, category, either, exited, said

#: Where neither program is installed, this is what a caller is told.
INSTALL = "its vendor's own install script; or Gemini CLI instead: npm install -g @google/gemini-cli@0.61.0"
LOGIN = "agy"

RULES = (
    Rule(
        code="tool_denied",
        message="Antigravity needed a tool that it may not use unattended, and gave the turn up.",
        recovery="Ask for the posture bypass, use flavor gemini, or word the request so that it needs no such tool.",
        holds=category("denied"),
    ),
    Rule(
        code="timeout",
        message="Antigravity ended the run at a time limit of its own.",
        recovery="Raise timeoutMs, or split the task.",
        holds=category("timeout"),
    ),
    Rule(
        code="quota_exhausted",
        message="The account's quota is used up.",
        recovery="Wait until the quota is reset, or use another model or provider.",
        holds=said(r"RESOURCE_EXHAUSTED|quota reached|code 429"),
    ),
    Rule(
        code="auth_required",
        message="Antigravity is not logged in.",
        recovery="Log in once with `agy` at a keyboard, then send the request again.",
        holds=said(r"authentication timed out|not logged in|UNAUTHENTICATED|PERMISSION_DENIED"),
    ),
    Rule(
        code="session_not_found",
        message="Antigravity does not know this conversation.",
        recovery="Leave sessionId out, or pass createNewSession: true, to start a new conversation.",
        holds=said(r'conversation "[^"]*" not found'),
    ),
    Rule(
        code="overloaded",
        message="The model service is overloaded or could not be reached.",
        recovery="Try again in a moment.",
        holds=said(r"UNAVAILABLE|overloaded|code 50[0-9]"),
    ),
    Rule(
        code="version_unsupported",
        message="This version of Antigravity does not know a flag that the gateway needs (1.1.15 is the first that does).",
        recovery="Run `agy update`.",
        holds=either(exited(2), said(r"flag provided but not defined|flag needs an argument")),
    ),
    Rule(
        code="interrupted",
        message="Antigravity was ended from outside; what it wrote was kept.",
        recovery="Look at the partial output, then send the request again with forceRefresh: true.",
        holds=lambda facts: facts["signal"] or (facts.get("category") == "no_result" and facts.get("begun")),
    ),
    Rule(
        code="output_unreadable",
        message="Antigravity ended without a result.",
        holds=category("no_result"),
    ),
    Rule(code="provider_failed", message="Antigravity failed.", holds=lambda facts: facts.get("message")),
)
