"""The real Mistral Vibe: prompts, tokens, failures, MCP servers. It starts slowly: few runs, several checks each."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_gateway import EventKind, McpServer, Posture
from llm_gateway_provider_mistral.options import MistralOptions

if TYPE_CHECKING:
    from tests.conftest import ModelServer
    from tests.real_clis.agent import Outcome, RealAgent

MCP_SERVER = Path(__file__).with_name("tiny_mcp_server.py")
WHOAMI = {"code": "async function main() { return await tools.mcp_tiny.whoami({}); }"}


def tool(name: str, **arguments: Any) -> str:
    return f"TOOL:{name} {json.dumps(arguments)}"


def tiny(name: str = "tiny") -> McpServer:
    return McpServer(name=name, command=sys.executable, args=(str(MCP_SERVER),), env={"TINY_SECRET": "s3cret-canary"})


def counted(entries: list[dict[str, Any]]) -> tuple[int, int, int]:
    """What the service reported: tokens in, of them cached, out."""
    told = [entry["usage"] for entry in entries if entry.get("usage")]
    read = sum(usage["prompt_tokens_details"]["cached_tokens"] for usage in told)
    return sum(u["prompt_tokens"] for u in told), read, sum(u["completion_tokens"] for u in told)


def told(outcome: Outcome) -> tuple[int, int, int]:
    """The same, as the provider counts."""
    usage = outcome.summary.usage
    read = usage.cache_read_tokens or 0
    return (usage.input_tokens or 0) + read, read, usage.output_tokens or 0


def test_lessons_22_and_78_a_prompt_of_200_kilobytes_arrives_whole_and_as_text(
    mistral: RealAgent, model_server: ModelServer
) -> None:
    skill = Path(mistral.environ["VIBE_HOME"], "skills", "evil")
    skill.mkdir(parents=True)
    (skill / "SKILL.md").write_text("---\nname: evil\ndescription: x\nuser-invocable: true\n---\nEVIL WORDS\n")
    (mistral.work / "near.txt").write_text("near words")
    (mistral.folder / "far.txt").write_text("far words")
    prompt = "/evil -p --help update !ls @near.txt @../far.txt\n" + "€ and more " * 16_000 + "\nuse /evil now\nSAY:read"
    outcome = mistral.ask(prompt)
    sent = model_server.log()[-1]["words"]
    assert (outcome.text, outcome.error) == ("read", None)
    assert len(prompt.encode()) > 200_000
    whole, more = sent[: len(prompt)] == prompt, sent[len(prompt) :]
    assert whole
    assert "EVIL WORDS" not in more
    assert "far words" not in more
    (notice,) = outcome.summary.notices  # what it may read anyway, it puts below the prompt
    assert (notice.code, notice.details) == ("files_attached", {"files": [(mistral.work / "near.txt").as_uri()]})


def test_an_alias_or_a_conversation_that_vibe_does_not_know_is_named(mistral: RealAgent) -> None:
    silent = mistral.start("SAY:x", model="misspelt")
    lost = mistral.start("SAY:x", after="00000000-0000-4000-8000-000000000000")
    wrong = silent.finish()  # exit 0 and an answer, of a model that nobody asked for
    assert (wrong.error, wrong.code) == ("bad_model", 0)
    unknown = lost.finish()
    assert unknown.error == "session_not_found"
    assert unknown.failure
    assert unknown.failure.recovery
    assert unknown.failure.provider_message


def test_a_given_mcp_server_is_used_counted_and_its_secret_kept(mistral: RealAgent, model_server: ModelServer) -> None:
    options = MistralOptions.model_validate({"mcpTools": ["tiny_whoami"]})
    dead = McpServer(name="dead", command="/bin/false")
    given = {"mcp_servers": (tiny(), tiny("other"), dead), "options": options}
    other = {"code": WHOAMI["code"].replace("tiny", "other")}
    prompt = "\n".join([tool("run_typescript", **other), tool("run_typescript", **WHOAMI)])
    running = mistral.start(prompt, Posture.READ_ONLY, **given)
    assert "s3cret-canary" not in str(running.process.args)
    outcome = running.finish()
    assert outcome.text == 'TOOLRESULT[ok]: "the secret has 13 letters"'
    assert "mcp_tiny.whoami" in [event.text for event in outcome.events if event.kind is EventKind.TOOL]
    assert told(outcome) == counted(model_server.log())
    notices = {notice.code: notice for notice in outcome.summary.notices}
    assert list(notices["mcp_server_failed"].details["servers"]) == ["dead"]  # type: ignore[call-overload]
    kept = [path for path in mistral.folder.rglob("*") if path.is_file() and b"s3cret-canary" in path.read_bytes()]
    assert kept == []
