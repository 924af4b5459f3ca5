"""What a provider's author says about it, and what every part of the contract needs to ask it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import cache
from typing import Any, ClassVar

from hypothesis import HealthCheck, settings

from llm_gateway import (
    Access,
    EndReason,
    FinishedRun,
    GatewayError,
    Invocation,
    McpServer,
    NativeSessionId,
    PluginHost,
    Posture,
    Prompt,
    ProviderInfo,
    Request,
    Resume,
    RunEnd,
    Session,
    SessionId,
    Summary,
    find_plugins,
)

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)
OUR_ID = "gw-0123456789abcdef0123456789abcdef"
#: A test of a suite is inherited by every author's class, which is what hypothesis warns of; it matters to a database alone.
bounded = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES") or min(60, settings().max_examples)),
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors],
)
SECRET = "canary-of-a-secret"  # noqa: S105 - made to be found, not to be kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What the real program wrote in one run, recorded once, and what the plugin must make of it."""

    name: str
    stdout: bytes
    stderr: str = ""
    exit_code: int = 0  #: negative: the signal that ended it
    text: str | None = None  #: the answer; None: not compared
    native_id: str | None = None  #: the conversation's id in this output; None: not compared
    failure: str | None = None  #: the error code of a run that did not end well
    artifacts: Mapping[str, bytes] = field(default_factory=dict)  #: what it left behind, by the invocation's paths

    @property
    def end(self) -> RunEnd:
        """How the engine would report this run."""
        died = self.exit_code < 0
        return RunEnd(
            reason=EndReason.EXITED,
            exit_code=None if died else self.exit_code,
            signal=-self.exit_code if died else None,
            ended_at=NOON,
            stdout_bytes=len(self.stdout),
            artifacts=self.artifacts,
        )


class ProviderCase:
    """The attributes that a subclass sets; everything but `plugin` and `name` has a default that suits a simple CLI."""

    plugin: ClassVar[object]  #: the module or object that the entry point names
    name: ClassVar[str]  #: the entry point's name
    samples: ClassVar[tuple[Sample, ...]] = ()
    variant: ClassVar[str] = ""  #: which of its programs, where it has several: one class for each
    #: Environment names of accounts that this CLI may be given, of those that every provider knows.
    credentials: ClassVar[frozenset[str]] = frozenset()
    #: What spells a level in the provider's own words: {Posture.PLAN: {"permissionMode": "plan"}}.
    spellings: ClassVar[Mapping[Posture, Mapping[str, Any]]] = {}
    #: Why the prompt must travel in argv; "": it does not.
    prompt_in_argv_because: ClassVar[str] = ""
    #: Why other long texts of a caller must, by their names on the wire: {"outputSchema": "it takes it from no file"}.
    in_argv_because: ClassVar[Mapping[str, str]] = {}
    #: Its tools that look at files and those that edit them, if it says what they open (`ProviderInfo.opens`):
    #: {"Read": Access.LOOK, "Edit": Access.EDIT}.
    file_tools: ClassVar[Mapping[str, Access]] = {}
    #: A value that this CLI takes, where the suite's own choice is none: {"effort": "high", "allowed_tools": ("Read",)}.
    values: ClassVar[Mapping[str, Any]] = {}

    @property
    def host(self) -> PluginHost:
        """A host with this plugin alone."""
        return _host(self.name, self.plugin)

    @property
    def info(self) -> ProviderInfo:
        """What the plugin says of itself."""
        return self.host.providers[self.name].of(self.variant)

    def request(self, prompt: str = "hello", **changes: Any) -> Request:
        """A request to this provider."""
        plain = Request(
            provider=self.name,
            prompt=Prompt(text=prompt),
            options=self.info.options_model(),
            working_dir="/",
            variant=self.variant,
        )
        return replace(plain, **changes)

    def fresh(self) -> Resume:
        """How a new conversation is entered."""
        return self.host.resume_session(self.name, self.request(), None)

    def build(self, request: Request, posture: Posture | None = None, resume: Resume | None = None) -> Invocation:
        """Ask for the command, through the hook."""
        level = posture or self.info.default_posture
        return self.host.build_argv(self.name, request, level, resume or self.fresh())

    def try_build(
        self, request: Request, posture: Posture | None = None, resume: Resume | None = None
    ) -> Invocation | None:
        """Ask for the command; None: refused, as a request that is not valid."""
        try:
            return self.build(request, posture, resume)
        except GatewayError as refusal:
            if refusal.code != "invalid_request":
                raise
            return None

    def try_resume(self, session: Session) -> Resume | None:
        """Ask how a conversation goes on; None: refused for a reason that a caller understands."""
        try:
            return self.host.resume_session(self.name, self.request(), session)
        except GatewayError as refusal:
            if refusal.code not in ("session_not_resumable", "session_not_found", "invalid_request"):
                raise
            return None

    def native_id(self) -> str:
        """An id as this CLI would have given it. `values["sessionId"]` says another."""
        chosen = self.values.get("sessionId") or self.fresh().native_id
        return chosen or "0a1b2c3d-0000-4000-8000-00000000abcd"

    def session(self, native_id: str | None, **changes: Any) -> Session:
        """A conversation of this provider."""
        session = Session(
            id=SessionId(OUR_ID),
            provider=self.name,
            principal="local",
            working_dir="/",
            native_id=None if native_id is None else NativeSessionId(native_id),
            created_at=NOON,
            last_used_at=NOON,
        )
        return replace(session, **changes)

    def finished(self, sample: Sample, summary: Summary) -> FinishedRun:
        """A run as `gateway_explain_failure` sees it."""
        return FinishedRun(
            request=self.request(),
            posture=self.info.default_posture,
            resume=Resume(native_id=NativeSessionId("x"), fresh=True),
            end=sample.end,
            summary=summary,
            stderr_tail=sample.stderr[-8192:],
        )


#: A value for every common parameter that a provider may declare in `supports`: wire name -> (field, value).
ASKED: Mapping[str, tuple[str, Any]] = {
    "addDirs": ("add_dirs", ("/usr",)),
    "allowedTools": ("allowed_tools", ("Read",)),
    "disallowedTools": ("disallowed_tools", ("Write",)),
    "maxTurns": ("max_turns", 3),
    "maxBudgetUsd": ("max_budget_usd", 0.5),
    "effort": ("effort", "high"),
    "outputSchema": ("output_schema", {"type": "object", "properties": {}, "additionalProperties": False}),
    "mcpServers": ("mcp_servers", (McpServer(name="search", command="/bin/search", env={"SEARCH_KEY": SECRET}),)),
}


@cache
def _host(name: str, plugin: object) -> PluginHost:
    # An empty choice: what else is installed stays out. No home is touched: only a file that is not there is looked for.
    environ = {"LLM_GATEWAY_PLUGINS": "", "LLM_GATEWAY_HOME": "/nonexistent", "HOME": "/nonexistent"}
    host, _ = find_plugins(environ, [("provider", name, plugin)])
    assert name in host.providers, f"the gateway refuses the plugin: {'; '.join(host.problems)}"
    return host
