"""Gemini CLI's failures. Its exit code for an answer of the service is the HTTP status modulo 256."""

from __future__ import annotations

from llm_gateway_provider_gemini.failures import Rule, category, either, exited, said

INSTALL = "npm install -g @google/gemini-cli@0.61.0"
LOGIN = "gemini"

_LOG_IN = "Set GEMINI_API_KEY for the gateway, or log in once with `gemini` at a keyboard, then send the request again."
_LATER = "Try again in a moment; if it persists, check the service's status and GOOGLE_GEMINI_BASE_URL."
_OTHERWISE = "Word the request differently, or use another model."

RULES = (
    Rule(
        code="provider_failed",
        message="Gemini CLI ran without the rules of this run: it could not read its policy file.",
        recovery="Look at what the run has done, and report this.",
        holds=either(category("rules"), said(r"the run's rules are missing")),
    ),
    # Before all that is found by words: what stands on stderr of these may be an attempt that was repeated.
    Rule(
        code="interrupted",
        message="Gemini CLI was ended from outside, or its output was cut; what it wrote was kept.",
        recovery="Look at the partial output, then send the request again with forceRefresh: true.",
        holds=lambda facts: facts["signal"] or (facts.get("category") == "no_result" and facts.get("begun")),
    ),
    Rule(
        code="output_unreadable",
        message="Gemini CLI ended without a result.",
        holds=category("no_result"),
    ),
    Rule(
        code="session_not_resumable",
        message="Gemini CLI already has a conversation under the id of this one.",
        recovery="Send the request again with forceRefresh: true.",
        holds=said(r"session id \S+ already exists"),
    ),
    Rule(
        code="session_not_found",
        message="Gemini CLI does not know this conversation in this directory.",
        recovery="Leave sessionId out, or pass createNewSession: true, to start a new conversation.",
        holds=said(r"invalid session identifier|no previous sessions found"),
    ),
    Rule(
        code="quota_exhausted",
        message="The daily quota for this model is used up.",
        recovery="Wait until tomorrow, or use another model or provider.",
        holds=said(r"exhausted your daily quota|exhausted your capacity"),
    ),
    Rule(
        code="quota_exhausted",
        message="The account's rate limit is reached.",
        recovery="Wait until the limit is reset, or use another model or provider.",
        holds=either(exited(173), said(r"exceeded your current quota|RESOURCE_EXHAUSTED")),
    ),
    Rule(
        code="auth_required",
        message="The model service does not accept Gemini CLI's login, or there is none.",
        recovery=_LOG_IN,
        holds=either(
            exited(41, 145, 147),
            said(r"API key not valid|UNAUTHENTICATED|PERMISSION_DENIED|set an Auth method|specify the GEMINI_API_KEY"),
        ),
    ),
    Rule(
        code="bad_model",
        message="The model does not exist, or this account may not use it.",
        recovery="Leave model out, or take one from list_models.",
        holds=said(r"is not found for API version|ModelNotFoundError"),
    ),
    Rule(
        code="input_too_large",
        message="The conversation does not fit into the model's context.",
        recovery="Start a new conversation, or name files instead of pasting them.",
        holds=either(category("overflow"), said(r"exceeds the maximum number of tokens|input token count")),
    ),
    Rule(
        code="overloaded",
        message="The model service is overloaded.",
        recovery=_LATER,
        holds=either(exited(247), said(r"overloaded|UNAVAILABLE")),
    ),
    Rule(
        code="overloaded",
        message="The model service could not be reached, or the connection broke.",
        recovery=_LATER,
        holds=said(r"fetch failed|API Error: (terminated|network)|ECONNREFUSED|ECONNRESET|ENOTFOUND|ETIMEDOUT"),
    ),
    Rule(
        code="overloaded",
        message="The model service failed.",
        recovery=_LATER,
        holds=either(exited(244, 246, 248), said(r'"status":"INTERNAL"|internal error has occurred')),
    ),
    Rule(
        code="provider_failed",
        message="Gemini CLI stopped at maxTurns.",
        recovery="Raise the limit, or continue the conversation with sessionId: it is kept.",
        holds=either(exited(53), said(r"max session turns")),
    ),
    Rule(
        code="provider_failed",
        message="Gemini CLI stopped because the model repeated itself.",
        recovery=_OTHERWISE,
        holds=category("loop"),
    ),
    Rule(
        code="provider_failed",
        message="The model service refused this request as unsafe.",
        recovery=_OTHERWISE,
        holds=said(r"response was blocked|\bSAFETY\b|PROHIBITED_CONTENT"),
    ),
    Rule(
        code="empty_output",
        message="The model gave no answer.",
        recovery="Send the request again; files may have changed all the same.",
        holds=said(r"empty response|no text or thoughts|INVALID_STREAM|malformed function call"),
    ),
    Rule(
        code="provider_failed",
        message="Gemini CLI could not start its sandbox.",
        recovery="The gateway asks for none: take GEMINI_SANDBOX and tools.sandbox out of what an administrator has set.",
        holds=either(exited(44), said(r"FatalSandboxError")),
    ),
    Rule(
        code="provider_failed",
        message="An administrator's settings of Gemini CLI do not allow the posture bypass.",
        recovery="Ask for a lower posture.",
        holds=said(r"YOLO mode is disabled"),
    ),
    Rule(
        code="provider_failed",
        message="Gemini CLI does not trust this directory.",
        recovery="Trust it once with `gemini` at a keyboard.",
        holds=exited(55),
    ),
    Rule(
        code="version_unsupported",
        message="This version of Gemini CLI does not know a flag that the gateway needs.",
        recovery=f"Install a version that is known to work: {INSTALL}",
        holds=said(r"unknown arguments?:|invalid values:"),
    ),
    Rule(code="provider_failed", message="Gemini CLI failed.", holds=lambda facts: facts.get("message")),
)
