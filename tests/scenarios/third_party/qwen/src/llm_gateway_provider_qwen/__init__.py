"""Qwen Code for LLM Gateway."""

import json
import re
from typing import Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from llm_gateway import (
    Event,
    EventKind,
    Failure,
    Invocation,
    LineSplitter,
    NativeSessionId,
    Notice,
    Posture,
    ProviderInfo,
    Resume,
    Summary,
    Usage,
    error_for,
    hookimpl,
)

GATEWAY_API = 1
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}")
MODES = {
    Posture.PLAN: "plan",
    Posture.PROMPTED: "default",
    Posture.ACCEPT_EDITS: "auto-edit",
    Posture.BYPASS: "yolo",
}
#: What its words mean: pattern -> code, our sentence.
CAUSES = {
    r"No saved session found": ("session_not_found", "Qwen Code does not know this conversation."),
    r"Session Id \S+ already exists": ("session_not_resumable", "Qwen Code has a conversation of this id already."),
    r"\b(401|403)\b|auth": ("auth_required", "The model service does not accept Qwen Code's login."),
    r"\b404\b": ("bad_model", "The model service does not know this model."),
    r"\b429\b|quota": ("quota_exhausted", "The account's quota is used up."),
    r"\b5\d\d\b|overloaded": ("overloaded", "The model service is overloaded."),
    r"API Error|not supported in this mode": ("provider_failed", "Qwen Code failed."),
}


class QwenOptions(BaseModel):
    """What only Qwen Code understands."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    authType: Literal["openai", "anthropic"] | None = Field(None, description="Which API to speak")  # noqa: N815


@hookimpl
def gateway_describe_provider():
    return ProviderInfo(
        name="qwen",
        title="Qwen Code",
        executable="qwen",
        options_model=QwenOptions,
        postures=tuple(MODES),
        supports=frozenset({"sessionId", "maxTurns", "addDirs"}),
        env=(
            *("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL", "DASHSCOPE_API_KEY"),
            *("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "ANTHROPIC_MODEL"),
        ),
        native_id_pattern=UUID,
        versions_seen=("0.24.4", "0.24.4"),
        install="npm install -g @qwen-code/qwen-code",
    )


@hookimpl
def gateway_resume_session(session):
    if session is None or session.native_id is None:
        return Resume(native_id=NativeSessionId(str(uuid4())))
    if not re.fullmatch(UUID, session.native_id):
        raise error_for("session_not_resumable", "Qwen Code's conversations have UUIDs.")
    return Resume(native_id=session.native_id, fresh=False)


@hookimpl
def gateway_build_argv(request, posture, resume):
    # Safe mode: a project's own hooks, skills and servers are not run unasked.
    argv = ["qwen", "--output-format=stream-json", "--safe-mode", f"--approval-mode={MODES[posture]}"]
    argv.append(f"--{'session-id' if resume.fresh else 'resume'}={resume.native_id}")
    if request.options and request.options.authType:
        argv.append(f"--auth-type={request.options.authType}")
    if request.model is not None:
        if not MODEL.fullmatch(request.model):
            raise error_for("invalid_request", f"not a model's name: {request.model[:40]!r}")
        argv.append(f"--model={request.model}")
    if request.max_turns is not None:
        argv.append(f"--max-session-turns={request.max_turns}")
    for path in request.add_dirs:
        if "," in path or not path.startswith("/") or not path.isprintable():
            raise error_for("invalid_request", f"Qwen Code cannot be given this directory: {path[:80]!r}")
        argv.append(f"--include-directories={path}")
    words, notices = request.prompt.text, ()
    if words.startswith("/"):
        words = f" {words}"  # else it is a command of Qwen Code's own
    if "@" in words:  # else it puts the file of this name into the prompt, and a space before an address
        words = words.replace("@", "\\@")
        notices = (Notice(code="prompt_escaped", message="Qwen Code reads @name as a file: each @ was sent as \\@."),)
    return Invocation(argv=tuple(argv), stdin=words.encode("utf-8", "replace"), warnings=notices)


class QwenReader:
    """Its stream-json. The tokens of a result are those of the whole conversation, so each message's are added up."""

    def __init__(self):
        self.lines, self.said, self.facts, self.result = LineSplitter(), [], {}, None
        self.tokens = {"input_tokens": 0, "output_tokens": 0, "cache_read_input_tokens": 0}

    def feed(self, stream, data):
        return [event for line in self.lines.feed(data) for event in self.read(line)] if stream == "stdout" else []

    def gap(self, stream):
        if stream == "stdout":
            self.lines.gap()

    def read(self, line):
        try:
            fact = json.loads(line)
        except (ValueError, RecursionError):
            return []
        kind = fact.get("type") if isinstance(fact, dict) else None
        if kind == "system" and isinstance(fact.get("session_id"), str):
            self.facts = fact
            return [Event(kind=EventKind.SESSION, text=" ".join(fact["session_id"][:200].split()))]
        if kind == "result":
            self.result = fact
        message = fact.get("message") if kind == "assistant" else None
        return list(self.message(message)) if isinstance(message, dict) else []

    def message(self, message):
        usage = message.get("usage") if isinstance(message.get("usage"), dict) else {}
        for name in self.tokens:
            count = usage.get(name)
            self.tokens[name] += count if type(count) is int and 0 <= count < 2**40 else 0
        blocks = message.get("content")
        for block in blocks if isinstance(blocks, list) else ():
            if isinstance(block, dict) and isinstance(block.get("text"), str):
                self.said.append(block["text"])
                yield Event(kind=EventKind.TEXT, text=" ".join(block["text"][:400].split())[:200])
            elif isinstance(block, dict) and block.get("type") == "tool_use":
                yield Event(kind=EventKind.TOOL, text=" ".join(str(block.get("name"))[:100].split()))

    def finish(self, end):
        self.read(self.lines.rest())
        result, model = self.result or {}, self.facts.get("model")
        failed = self.result is None or bool(result.get("is_error"))
        error = result.get("error")
        said = str(error.get("message"))[:2000] if isinstance(error, dict) else ""
        text = result.get("result")
        read = self.tokens["cache_read_input_tokens"]
        native = self.facts.get("session_id")
        return Summary(
            text=text if isinstance(text, str) and not failed else "\n\n".join(self.said),
            native_id=NativeSessionId(native) if native else None,
            model=model if isinstance(model, str) else None,
            usage=Usage(
                input_tokens=max(0, self.tokens["input_tokens"] - read),
                output_tokens=self.tokens["output_tokens"],
                cache_read_tokens=read,
            ),
            failed=failed,
            failure={"message": said} if failed else {},
        )


@hookimpl
def gateway_open_reader():
    return QwenReader()


@hookimpl
def gateway_explain_failure(run):
    said = run.summary.failure.get("message") or run.stderr_tail
    for pattern, (code, message) in CAUSES.items():
        if re.search(pattern, said):
            return Failure(code=code, message=message, provider_message=said.strip()[-500:])
    if run.summary.failed and run.end.exit_code == 0:
        return Failure(code="output_unreadable", message="Qwen Code ended without a result.")
    return None
