"""The attributes that the author of a provider sets, and the helpers that every part of the contract uses."""

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
#: Several classes inherit each test. hypothesis warns of this, but it matters only with an example database.
bounded = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES") or min(60, settings().max_examples)),
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors],
)
SECRET = "canary-of-a-secret"  # noqa: S105 - not a real secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The recorded output of one real run, and what the plugin must read from it."""

    name: str
    stdout: bytes
    stderr: str = ""
    exit_code: int = 0  #: negative: the number of the signal that ended the run
    text: str | None = None  #: the expected answer; None: not compared
    native_id: str | None = None  #: the expected id of the conversation; None: not compared
    failure: str | None = None  #: the expected error code; None: the run succeeded
    artifacts: Mapping[str, bytes] = field(default_factory=dict)  #: content of `Invocation.artifacts`, by path

    @property
    def end(self) -> RunEnd:
        """This run as an engine reports it."""
        signaled = self.exit_code < 0
        return RunEnd(
            reason=EndReason.EXITED,
            exit_code=None if signaled else self.exit_code,
            signal=-self.exit_code if signaled else None,
            ended_at=NOON,
            stdout_bytes=len(self.stdout),
            artifacts=self.artifacts,
        )


class ProviderCase:
    """The attributes that a subclass sets. All except `plugin` and `name` have a default that suits a simple CLI."""

    plugin: ClassVar[object]  #: the module or object that the entry point names
    name: ClassVar[str]  #: the entry point's name
    samples: ClassVar[tuple[Sample, ...]] = ()
    variant: ClassVar[str] = ""  #: the tested program, if the provider has several: write one class for each
    #: Environment variables with credentials that this CLI may see. See `CREDENTIALS` in `provider_facts`.
    credentials: ClassVar[frozenset[str]] = frozenset()
    #: For each level, the provider's own options that select it: {Posture.PLAN: {"permissionMode": "plan"}}.
    spellings: ClassVar[Mapping[Posture, Mapping[str, Any]]] = {}
    #: The reason why the CLI takes the prompt only as an argument; "": the prompt is not in argv.
    prompt_in_argv_because: ClassVar[str] = ""
    #: Why other long texts of a caller must, by their names on the wire: {"outputSchema": "it takes it from no file"}.
    in_argv_because: ClassVar[Mapping[str, str]] = {}
    #: Its tools that look at files and those that edit them, if it says what they open (`ProviderInfo.opens`):
    #: {"Read": Access.LOOK, "Edit": Access.EDIT}.
    file_tools: ClassVar[Mapping[str, Access]] = {}
    #: By wire name, a value that this CLI accepts where it refuses the suite's default (see `ASKED`):
    #: {"effort": "max", "allowedTools": ("Shell",)}. Also "model" and "sessionId".
    values: ClassVar[Mapping[str, Any]] = {}

    @property
    def host(self) -> PluginHost:
        """A host with this plugin alone."""
        return _host(self.name, self.plugin)

    @property
    def info(self) -> ProviderInfo:
        """The plugin's description of itself."""
        return self.host.providers[self.name].of(self.variant)

    def request(self, prompt: str = "hello", **changes: Any) -> Request:
        """Return a request to this provider."""
        plain = Request(
            provider=self.name,
            prompt=Prompt(text=prompt),
            options=self.info.options_model(),
            working_dir="/",
            variant=self.variant,
        )
        return replace(plain, **changes)

    def fresh(self) -> Resume:
        """Return the plugin's `Resume` for a new conversation."""
        return self.host.resume_session(self.name, self.request(), None)

    def build(self, request: Request, posture: Posture | None = None, resume: Resume | None = None) -> Invocation:
        """Build the command through the hook."""
        level = posture or self.info.default_posture
        return self.host.build_argv(self.name, request, level, resume or self.fresh())

    def try_build(
        self, request: Request, posture: Posture | None = None, resume: Resume | None = None
    ) -> Invocation | None:
        """Build the command. None: the plugin refused the request with `invalid_request`."""
        try:
            return self.build(request, posture, resume)
        except GatewayError as refusal:
            if refusal.code != "invalid_request":
                raise
            return None

    def try_resume(self, session: Session) -> Resume | None:
        """Return how to continue a conversation. None: the plugin refused with an error code meant for this."""
        try:
            return self.host.resume_session(self.name, self.request(), session)
        except GatewayError as refusal:
            if refusal.code not in ("session_not_resumable", "session_not_found", "invalid_request"):
                raise
            return None

    def native_id(self) -> str:
        """Return a conversation id in the form that this CLI uses. Set `values["sessionId"]` to choose another."""
        chosen = self.values.get("sessionId") or self.fresh().native_id
        return chosen or "0a1b2c3d-0000-4000-8000-00000000abcd"

    def session(self, native_id: str | None, **changes: Any) -> Session:
        """Return a conversation of this provider."""
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
        """Return a run as `gateway_explain_failure` receives it."""
        return FinishedRun(
            request=self.request(),
            posture=self.info.default_posture,
            resume=Resume(native_id=NativeSessionId("x"), fresh=True),
            end=sample.end,
            summary=summary,
            stderr_tail=sample.stderr[-8192:],
        )


#: A value for every common parameter that a provider may declare in `supports`: wire name -> (field, value).
#: `ProviderCase.values` replaces a value that the CLI does not accept.
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
    # The empty list keeps other installed plugins out. The home does not exist, so no user's settings are read.
    environ = {"LLM_GATEWAY_PLUGINS": "", "LLM_GATEWAY_HOME": "/nonexistent", "HOME": "/nonexistent"}
    host, _ = find_plugins(environ, [("provider", name, plugin)])
    assert name in host.providers, f"the gateway did not load the plugin (`plugin`, `name`): {'; '.join(host.problems)}"
    return host
