"""The transport as the SDK's own client sees it, in both protocol eras, over a real process's stdio."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest
from mcp import Client, MCPError, StdioServerParameters, stdio_client

from llm_gateway.errors import ERRORS

pytestmark = pytest.mark.anyio

SERVER = Path(__file__).with_name("serve_fake.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Era:
    """How a client greets, and the words that start Python."""

    name: str
    python: tuple[str, ...]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["legacy", "auto"])
def era(request: pytest.FixtureRequest, python: tuple[str, ...]) -> Era:
    return Era(name=request.param, python=python)


@asynccontextmanager
async def connect(era: Era, log: Path | None = None) -> AsyncIterator[Client]:
    server = StdioServerParameters(command=era.python[0], args=[*era.python[1:], str(SERVER)])
    with (log or Path("/dev/null")).open("w") as errlog, anyio.fail_after(60):
        async with Client(stdio_client(server, errlog=errlog), mode=era.name) as client:
            yield client


def text_of(result: object) -> str:
    return str(result.content[0].text)  # type: ignore[attr-defined]


async def test_tools_are_listed_by_name_and_a_broken_one_is_left_out(era: Era, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with connect(era, log) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        assert client.server_info.name == "llm-gateway"
        assert client.server_info.version == "9.8.7"
        assert client.instructions == "Ask the fake."
    assert names == sorted(names)
    assert "echo" in names
    assert "shapeless" not in names
    assert "shapeless" in log.read_text()


async def test_lesson_63_text_and_structured_content_both_hold_the_answer(era: Era) -> None:
    async with connect(era) as client:
        await client.list_tools()  # from now on the client validates structured content
        result = await client.call_tool("echo", {"text": "grüß dich"})
        assert text_of(result) == "grüß dich"
        assert result.structured_content == {"text": "grüß dich", "length": 9}
        assert not result.is_error
        plain = await client.call_tool("json_words", {"text": "x"})
        assert json.loads(text_of(plain)) == plain.structured_content == {"text": "x", "length": 1}
        failed = await client.call_tool("report_failure")
        assert failed.is_error
        assert text_of(failed) == "timeout: too slow"
        assert failed.structured_content["error"]["code"] == "timeout"


async def test_every_error_is_told_in_words_and_as_data(era: Era) -> None:
    async with connect(era) as client:
        for code, cls in ERRORS.items():
            result = await client.call_tool("fail", {"text": code})
            assert result.is_error
            assert text_of(result) == f"{code}: It went wrong.\nDo it right.\nThe provider said: E42"
            assert result.structured_content == {
                "status": "failed",
                "error": {
                    "code": code,
                    "message": "It went wrong.",
                    "retryable": cls.retryable,
                    "recovery": "Do it right.",
                    "providerMessage": "E42",
                },
            }


async def test_wrong_arguments_are_answered_with_the_nearest_name(era: Era) -> None:
    async with connect(era) as client:
        result = await client.call_tool("echo", {"txet": "x"})
        assert result.is_error
        assert "did you mean text?" in text_of(result)
        assert result.structured_content["error"]["code"] == "invalid_request"


async def test_a_crash_tells_where_to_look_and_nothing_else(era: Era, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with connect(era, log) as client:
        for tool in ("crash", "miss"):
            result = await client.call_tool(tool)
            assert result.is_error
            assert result.structured_content is None
            correlation = text_of(result).split("correlation ")[1].rstrip(").")
            assert correlation in log.read_text()
        assert "secret" not in text_of(result)
        assert (await client.call_tool("echo", {"text": "alive"})).structured_content["text"] == "alive"
    assert "RuntimeError: the secret reason" in log.read_text()


async def test_an_unknown_tool_is_a_protocol_error(era: Era) -> None:
    async with connect(era) as client:
        with pytest.raises(MCPError, match="Unknown tool: nonsense") as caught:
            await client.call_tool("nonsense")
        assert caught.value.code == -32602


async def test_progress_is_paced_grows_and_always_tells_the_last(era: Era) -> None:
    heard: list[tuple[float, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, message))

    async with connect(era) as client:
        result = await client.call_tool("steps", {"number": 200}, progress_callback=hear)
        assert text_of(result) == "done"
        quiet = await client.call_tool("steps", {"number": 3})
        assert text_of(quiet) == "nobody listens"
    numbers = [number for number, _ in heard]
    assert numbers == sorted(set(numbers))
    assert len(heard) < 20
    assert heard[-1][1] == "step 200"


async def test_a_cancelled_call_reaches_the_handler(era: Era, tmp_path: Path) -> None:
    hanging = anyio.Event()
    mark = tmp_path / "mark"

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        hanging.set()

    async with connect(era) as client:
        async with anyio.create_task_group() as tasks:

            async def call() -> None:
                await client.call_tool("hang", {"path": str(mark)}, progress_callback=hear)

            tasks.start_soon(call)
            await hanging.wait()
            tasks.cancel_scope.cancel()
        await client.call_tool("echo")  # answered after the cancel was taken
        assert mark.read_text() == "cancelled"


async def test_lesson_61_every_resource_that_is_listed_can_be_read(era: Era) -> None:
    async with connect(era) as client:
        uris = [str(each.uri) for each in (await client.list_resources()).resources]
        templates = [each.uri_template for each in (await client.list_resource_templates()).resource_templates]
        assert uris == ["jobs://all"]
        assert templates == ["jobs://{jobId}", "cache-state://session/{jobId}"]
        for uri in uris + [template.replace("{jobId}", "j-1") for template in templates]:
            contents = (await client.read_resource(uri)).contents[0]
            assert str(contents.uri) == uri
            assert contents.mime_type == "application/json"
            json.loads(contents.text)  # type: ignore[union-attr]
        for uri in ("jobs://none", "nowhere://x"):
            with pytest.raises(MCPError, match="Resource not found") as caught:
                await client.read_resource(uri)
            assert caught.value.code == -32602
            assert caught.value.data == {"uri": uri}


async def test_prompts_are_listed_and_rendered(era: Era) -> None:
    async with connect(era) as client:
        prompt = (await client.list_prompts()).prompts[0]
        assert (prompt.name, prompt.arguments[0].name) == ("review", "file")  # type: ignore[index]
        result = await client.get_prompt("review", {"file": "a.py"})
        assert result.messages[0].content.text == "Review a.py."  # type: ignore[union-attr]
        for name, arguments, told in (
            ("nonsense", {}, "Unknown prompt"),
            ("review", {}, "Missing argument: file"),
            ("review", {"flie": "x"}, "review takes: file"),
        ):
            with pytest.raises(MCPError, match=told):
                await client.get_prompt(name, arguments)


async def test_stray_output_and_large_results_leave_the_wire_alone(era: Era, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with connect(era, log) as client:
        result = await client.call_tool("chatter")
        assert text_of(result) == "stdin: ''"
        large = await client.call_tool("big", {"number": 3_000_000})
        assert text_of(large) == "ä" * 3_000_000
    for stray in ("a stray print", "a stray write", "a stray child", "printed while the gateway closes"):
        assert stray in log.read_text()
