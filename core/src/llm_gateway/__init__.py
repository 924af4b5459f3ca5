"""LLM Gateway's kernel. What stands in `__all__` is all that a plugin may import (beside `llm_gateway.errors`).

Names are loaded when they are first used, so that importing this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module

# As type checkers know it, without importing typing: an engine's processes import this package too.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from llm_gateway.bells import ring
    from llm_gateway.cli.versions import in_range, look_at_provider, run_briefly, version_of
    from llm_gateway.dispatch.invocation import find_program, run_environment
    from llm_gateway.errors import GatewayError, error_for
    from llm_gateway.gateway import Gateway, find_plugins, open_gateway
    from llm_gateway.hookspecs import API_VERSION, hookimpl
    from llm_gateway.model.engine import Engine, RunSpec, RunView
    from llm_gateway.model.ids import JobId, NativeSessionId, SessionId, new_job_id, new_session_id
    from llm_gateway.model.invocation import RUN_FILES, EndReason, Invocation, Notice, RunEnd
    from llm_gateway.model.job import Job, JobState
    from llm_gateway.model.lines import LineSplitter
    from llm_gateway.model.operation import CallContext, Operation, PromptTemplate, Resource, Transport
    from llm_gateway.model.posture import Posture
    from llm_gateway.model.provider import EndStep, ModelInfo, NoOptions, OutputReader, ProviderInfo, UpgradePlan
    from llm_gateway.model.record import Decision, Record, Remarks, Tally, Verdict, VerdictRecord
    from llm_gateway.model.reply import Event, EventKind, Failure, FinishedRun, Reply, Summary
    from llm_gateway.model.request import McpServer, Prompt, Proposal, Request
    from llm_gateway.model.session import Resume, Session
    from llm_gateway.model.store import Admission, Limits, Store
    from llm_gateway.model.stored import from_json, to_json
    from llm_gateway.model.usage import CacheAccount, Cost, CostBasis, RunFacts, Usage
    from llm_gateway.operations.answers import (
        MAX_INLINE_CHARS,
        RequestResult,
        answer,
        error_view,
        job_view,
        reply_text,
        stamp,
    )
    from llm_gateway.operations.checking import Wire, check, operation, wire_object
    from llm_gateway.plugins import PluginHost

_HOMES = {
    "bells": ("ring",),
    "cli.versions": ("in_range", "look_at_provider", "run_briefly", "version_of"),
    "dispatch.invocation": ("find_program", "run_environment"),
    "errors": ("GatewayError", "error_for"),
    "gateway": ("Gateway", "find_plugins", "open_gateway"),
    "hookspecs": ("API_VERSION", "hookimpl"),
    "model.engine": ("Engine", "RunSpec", "RunView"),
    "model.ids": ("JobId", "NativeSessionId", "SessionId", "new_job_id", "new_session_id"),
    "model.invocation": ("RUN_FILES", "EndReason", "Invocation", "Notice", "RunEnd"),
    "model.job": ("Job", "JobState"),
    "model.lines": ("LineSplitter",),
    "model.operation": ("CallContext", "Operation", "PromptTemplate", "Resource", "Transport"),
    "model.posture": ("Posture",),
    "model.provider": ("EndStep", "ModelInfo", "NoOptions", "OutputReader", "ProviderInfo", "UpgradePlan"),
    "model.record": ("Decision", "Record", "Remarks", "Tally", "Verdict", "VerdictRecord"),
    "model.reply": ("Event", "EventKind", "Failure", "FinishedRun", "Reply", "Summary"),
    "model.request": ("McpServer", "Prompt", "Proposal", "Request"),
    "model.session": ("Resume", "Session"),
    "model.store": ("Admission", "Limits", "Store"),
    "model.stored": ("from_json", "to_json"),
    "model.usage": ("CacheAccount", "Cost", "CostBasis", "RunFacts", "Usage"),
    "operations.answers": (
        *("MAX_INLINE_CHARS", "RequestResult"),
        *("answer", "error_view", "job_view", "reply_text", "stamp"),
    ),
    "operations.checking": ("Wire", "check", "operation", "wire_object"),
    "plugins": ("PluginHost",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__version__ = "0.1.0"
# written out, because type checkers read it
# fmt: off
__all__ = [  # noqa: RUF022
    "API_VERSION", "Admission", "CacheAccount", "CallContext", "Cost", "CostBasis", "Decision", "EndReason",
    "EndStep", "Engine", "Event", "EventKind", "Failure", "FinishedRun", "Gateway", "GatewayError", "Invocation",
    "Job", "JobId", "JobState", "Limits", "LineSplitter", "MAX_INLINE_CHARS", "McpServer", "ModelInfo",
    "NativeSessionId", "NoOptions", "Notice", "Operation", "OutputReader", "PluginHost", "Posture", "Prompt",
    "PromptTemplate", "Proposal", "ProviderInfo", "RUN_FILES", "Record", "Remarks", "Reply", "Request",
    "RequestResult", "Resource", "Resume", "RunEnd", "RunFacts", "RunSpec", "RunView", "Session", "SessionId",
    "Store", "Summary", "Tally", "Transport", "UpgradePlan", "Usage", "Verdict", "VerdictRecord", "Wire", "answer",
    "check", "error_for", "error_view", "find_plugins", "find_program", "from_json", "hookimpl", "in_range",
    "job_view", "look_at_provider", "new_job_id", "new_session_id", "open_gateway", "operation", "reply_text", "ring",
    "run_briefly", "run_environment", "stamp", "to_json", "version_of", "wire_object",
]
# fmt: on


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"llm_gateway.{_HOME_OF[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
