"""Qwen Code for LLM Gateway."""

import re
from typing import Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from llm_gateway import (
    Event,
    EventKind,
    Invocation,
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
from llm_gateway_provider_kit.failures import FailureRule, Sign, explain
from llm_gateway_provider_kit.lines import JsonLines, as_dict, as_dicts, as_text, token_count

GATEWAY_API = 1
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}")
MODES = {
    Posture.PLAN: "plan",
    Posture.PROMPTED: "default",
    Posture.ACCEPT_EDITS: "auto-edit",
    Posture.BYPASS: "yolo",
}
#: What only Qwen Code says; what services and networks say, the shared rules know.
RULES = (
    FailureRule(
        code="session_not_found",
        message="Qwen Code does not know this conversation.",
        before_start=True,
        signs=(Sign(words=r"No saved session found"),),
    ),
    FailureRule(
        code="session_not_resumable",
        message="Qwen Code has a conversation of this id already.",
        before_start=True,
        signs=(Sign(words=r"Session Id \S+ already exists"),),
    ),
)
RECOVERIES = {
    "auth_required": "Set OPENAI_API_KEY (or the key of another authType) for the gateway, then send the request again."
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
        self.lines, self.said, self.facts, self.result = JsonLines(), [], {}, None
        self.tokens = {"input_tokens": 0, "output_tokens": 0, "cache_read_input_tokens": 0}

    def feed(self, stream, data):
        return [event for fact in self.lines.feed(data) for event in self.read(fact)] if stream == "stdout" else []

    def gap(self, stream):
        if stream == "stdout":
            self.lines.gap()

    def read(self, fact):
        kind = fact.get("type")
        if kind == "system" and isinstance(fact.get("session_id"), str):
            self.facts = fact
            return [Event(kind=EventKind.SESSION, text=" ".join(fact["session_id"][:200].split()))]
        if kind == "result":
            self.result = fact
        message = fact.get("message") if kind == "assistant" else None
        return list(self.message(message)) if isinstance(message, dict) else []

    def message(self, message):
        usage = as_dict(message.get("usage"))
        for name in self.tokens:
            self.tokens[name] += token_count(usage.get(name)) or 0
        for block in as_dicts(message.get("content")):
            if isinstance(block.get("text"), str):
                self.said.append(block["text"])
                yield Event(kind=EventKind.TEXT, text=" ".join(block["text"][:400].split())[:200])
            elif block.get("type") == "tool_use":
                yield Event(kind=EventKind.TOOL, text=" ".join(str(block.get("name"))[:100].split()))

    def finish(self, end):
        for fact in self.lines.rest():
            list(self.read(fact))
        result, model = self.result or {}, self.facts.get("model")
        failed = bool(result.get("is_error")) or (self.result is None and end.exit_code == 0)
        said = as_text(as_dict(result.get("error")).get("message"))
        text = as_text(result.get("result"))
        read = self.tokens["cache_read_input_tokens"]
        native = self.facts.get("session_id")
        return Summary(
            text=text if text and not failed else "\n\n".join(words for words in self.said if words != said),
            native_id=NativeSessionId(native) if native else None,
            model=model if isinstance(model, str) else None,
            usage=Usage(
                input_tokens=max(0, self.tokens["input_tokens"] - read),
                output_tokens=self.tokens["output_tokens"],
                cache_read_tokens=read,
            ),
            failed=failed,
            failure={"message": said, "ended": self.result is not None, "started": bool(native)},
        )


@hookimpl
def gateway_open_reader():
    return QwenReader()


@hookimpl
def gateway_explain_failure(run):
    return explain(run, RULES, program="Qwen Code", recoveries=RECOVERIES)
