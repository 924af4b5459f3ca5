"""Qwen Code for LLM Gateway."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from llm_gateway import Invocation, Loopback, Notice, Posture, ProviderInfo, hookimpl
from llm_gateway_provider_kit.arguments import directory, model, option, turns
from llm_gateway_provider_kit.conversations import UUID
from llm_gateway_provider_kit.failures import FailureRule, Sign
from llm_gateway_provider_kit.json_lines import JsonLinesProvider
from llm_gateway_provider_kit.lines import as_dict, as_dicts, token_count

GATEWAY_API = 1
# Not accept_edits: "auto-edit" also writes outside of the working directory, as `llm-gateway verify` shows.
MODES = {Posture.PLAN: "plan", Posture.PROMPTED: "default", Posture.BYPASS: "yolo"}


class QwenOptions(BaseModel):
    """What only Qwen Code understands."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    authType: Literal["openai", "anthropic"] | None = Field(None, description="Which API to speak")  # noqa: N815


class Qwen(JsonLinesProvider):
    info = ProviderInfo(
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
    chooses_id = True
    joined_by = "\n\n"
    # What only Qwen Code says; what services and networks say, the shared rules know.
    rules = (
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
    recoveries = {
        "auth_required": "Set OPENAI_API_KEY (or the key of another authType) for the gateway, then send the request again."
    }

    def build_argv(self, request, posture, resume):
        # Safe mode: a project's own hooks, skills and servers are not run unasked.
        argv = ["qwen", "--output-format=stream-json", "--safe-mode", f"--approval-mode={MODES[posture]}"]
        argv.append(f"--{'session-id' if resume.fresh else 'resume'}={resume.native_id}")
        if request.options and request.options.authType:
            argv.append(f"--auth-type={request.options.authType}")
        if request.model is not None:
            argv.append(f"--model={model(request.model)}")
        if request.max_turns is not None:
            argv.append(f"--max-session-turns={turns(request.max_turns)}")
        added = (directory(path, without=",\n\r\t") for path in request.add_dirs)
        argv += [option("--include-directories", path) for path in added]
        words, notices = request.prompt.text, ()
        if words.startswith("/"):
            words = f" {words}"  # else it is a command of Qwen Code's own
        if "@" in words:  # else it puts the file of this name into the prompt, and a space before an address
            words = words.replace("@", "\\@")
            message = "Qwen Code reads @name as a file: each @ was sent as \\@."
            notices = (Notice(code="prompt_escaped", message=message),)
        return Invocation(argv=tuple(argv), stdin=words.encode("utf-8", "replace"), warnings=notices)

    def loopback(self, service):
        """For `llm-gateway verify`: how a model service on this machine is asked, and how its model calls the tools."""
        return Loopback(
            env={"OPENAI_BASE_URL": f"{service}/v1", "OPENAI_MODEL": "some-model"},
            key="OPENAI_API_KEY",
            write=lambda path, text: ("write_file", {"file_path": path, "content": text}),
            shell=lambda command: ("run_shell_command", {"command": command, "is_background": False}),
        )

    def read(self, turn, line):
        kind = line.get("type")
        if kind == "system":
            turn.session(line.get("session_id"), line.get("model"))
        elif kind == "assistant":
            self.read_message(turn, as_dict(line.get("message")))
        elif kind == "result" and line.get("is_error"):
            turn.fail(as_dict(line.get("error")).get("message"))
        elif kind == "result":
            turn.end(line.get("result"))

    def read_message(self, turn, message):
        # The tokens of a result are those of the whole conversation, so each message's are added up.
        usage = as_dict(message.get("usage"))
        total, read = (token_count(usage.get(name)) or 0 for name in ("input_tokens", "cache_read_input_tokens"))
        turn.tokens(input_tokens=total - read, cache_read_tokens=read, output_tokens=usage.get("output_tokens"))
        for block in as_dicts(message.get("content")):
            if block.get("type") == "tool_use":
                turn.tool(block.get("name"))
            else:
                turn.say(block.get("text"))


@hookimpl
def gateway_register_provider():
    return Qwen()
