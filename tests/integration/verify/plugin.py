"""The provider's plugin for the imitation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from llm_gateway import (
    RUN_FILES,
    EndStep,
    Event,
    EventKind,
    Failure,
    FinishedRun,
    Invocation,
    Loopback,
    NativeSessionId,
    Posture,
    ProviderInfo,
    Request,
    Resume,
    RunEnd,
    Session,
    Summary,
    Usage,
    hookimpl,
)

MODES = {
    Posture.READ_ONLY: "look",
    Posture.PROMPTED: "ask",
    Posture.ACCEPT_EDITS: "edit",
    Posture.WORKSPACE_WRITE: "work",
    Posture.BYPASS: "all",
}
CODES = {
    "auth": "auth_required",
    "model": "bad_model",
    "quota": "quota_exhausted",
    "server": "overloaded",
    "unreachable": "unreachable",
}


@hookimpl
def gateway_describe_provider() -> ProviderInfo:
    return ProviderInfo(
        name="imitation",
        title="Imitation",
        executable="imitation",
        postures=tuple(MODES),
        supports=frozenset({"sessionId", "mcpServers"}),
        end_steps=(EndStep(grace_s=3.0),),
        env=("IMITATION_*",),
        native_id_pattern=r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        versions_seen=("1.2.0", "1.2.0"),
        install="none",
        own_paths=("~/.imitation",),
        own_settings=("~/.imitation/hooks.json",),
        config_files=lambda environ, working_dir: [f"{working_dir}/AGENTS.md"],
        project_folders=(".imitation",),
    )


@hookimpl
def gateway_resume_session(session: Session | None) -> Resume:
    if session is None or session.native_id is None:
        return Resume()
    return Resume(native_id=session.native_id, fresh=False)


@hookimpl
def gateway_build_argv(request: Request, posture: Posture, resume: Resume) -> Invocation:
    argv, files = ["imitation", f"--mode={MODES[posture]}"], {}
    if request.model:
        argv.append(f"--model={request.model}")
    if not resume.fresh:
        argv.append(f"--resume={resume.native_id}")
    if request.mcp_servers:
        servers = {s.name: {"command": s.command, "args": s.args, "env": dict(s.env)} for s in request.mcp_servers}
        files["servers.json"] = json.dumps(servers).encode()
        argv.append(f"--servers={RUN_FILES}/servers.json")
    return Invocation(argv=tuple(argv), stdin=request.prompt.text.encode(), files=files)


class Reader:
    def __init__(self) -> None:
        self._data = b""
        self._facts: list[dict[str, Any]] = []

    def feed(self, stream: str, data: bytes) -> Iterable[Event]:
        if stream != "stdout":
            return []
        *lines, self._data = (self._data + data).split(b"\n")
        facts = [json.loads(line) for line in lines]
        self._facts += facts
        return [Event(kind=EventKind.SESSION, text=fact["id"]) for fact in facts if fact["type"] == "session"]

    def gap(self, stream: str) -> None:
        self._data = b""

    def finish(self, end: RunEnd) -> Summary:
        facts: Mapping[str, dict[str, Any]] = {fact["type"]: fact for fact in self._facts}
        result, tokens = facts.get("result", {}), facts.get("result", {}).get("tokens", {})
        session = facts.get("session", {}).get("id")
        return Summary(
            text=result.get("text", ""),
            native_id=NativeSessionId(session) if session else None,
            usage=Usage(
                input_tokens=tokens.get("in"), output_tokens=tokens.get("out"), cache_read_tokens=tokens.get("read")
            ),
            failed="result" not in facts,
            failure=facts.get("error", {}),
        )


@hookimpl
def gateway_open_reader() -> Reader:
    return Reader()


@hookimpl
def gateway_explain_failure(run: FinishedRun) -> Failure | None:
    if "no conversation" in run.stderr_tail:
        return Failure(code="session_not_found", message="There is no such conversation.")
    error = run.summary.failure
    code = CODES.get(error.get("kind", ""))
    wait = error.get("wait") or ""
    reset_at = datetime.now(timezone.utc) + timedelta(seconds=int(wait)) if wait.isdigit() else None
    return Failure(code=code, message=code, reset_at=reset_at) if code else None


@hookimpl
def gateway_loopback(service: str) -> Loopback:
    return Loopback(
        env={"IMITATION_URL": service},
        key="IMITATION_KEY",
        write=lambda path, text: ("write", {"path": path, "text": text}),
        shell=lambda command: ("run", {"command": command}),
    )
