"""A gateway with a few operations, behind the real transport, as a process: `python serve_fake.py [--preload] [--as-started]`."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
from pydantic import BaseModel, ConfigDict, RootModel, ValidationError

from llm_gateway import CallContext, Gateway, Operation, PluginHost, PromptTemplate, Resource
from llm_gateway.errors import ERRORS, InvalidRequest, error_for
from llm_gateway.operations.presence import Presence
from llm_gateway.settings.model import Settings
from llm_gateway_transport_mcp.plugin import gateway_open_transport


class Params(BaseModel):
    model_config = ConfigDict(extra="forbid")
    text: str = ""
    number: int = 0
    path: str | None = None


class Result(BaseModel):
    text: str
    length: int
    note: str | None = None
    error: dict[str, Any] | None = None


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    status: str
    count: int


class Shapeless(RootModel[list[int]]):
    pass


async def echo(gateway: Gateway, params: Params, context: CallContext) -> Result:
    return Result(text=params.text, length=len(params.text))


async def big(gateway: Gateway, params: Params, context: CallContext) -> Result:
    return Result(text="ä" * params.number, length=params.number)


async def steps(gateway: Gateway, params: Params, context: CallContext) -> Result:
    for step in range(params.number):
        if context.progress:
            await context.progress(f"step {step + 1}")
    return Result(text="done" if context.progress else "nobody listens", length=params.number)


async def hang(gateway: Gateway, params: Params, context: CallContext) -> Result:
    assert params.path
    assert context.progress
    await context.progress("hanging")
    try:
        await anyio.sleep_forever()
    finally:
        Path(params.path).write_text("cancelled")  # noqa: ASYNC240 - at once, while being cancelled
    raise AssertionError


async def fail(gateway: Gateway, params: Params, context: CallContext) -> Result:
    raise error_for(params.text, "It went wrong.", recovery="Do it right.", provider_message="E42")


async def fail_closed(gateway: Gateway, params: Params, context: CallContext) -> Closed:
    raise error_for("saturated")


async def report_failure(gateway: Gateway, params: Params, context: CallContext) -> Result:
    return Result(text="half", length=4, error={"code": "timeout", "message": "too slow", "retryable": False})


async def chatter(gateway: Gateway, params: Params, context: CallContext) -> Result:
    print("a stray print", flush=True)
    os.write(1, b"a stray write\n")
    sys.stdout.write("never flushed")
    await anyio.run_process([sys.executable, "-c", "print('a stray child', flush=True)"], stdin=None, stdout=None)
    return Result(text=f"stdin: {sys.stdin.read()!r}", length=0)


async def crash(gateway: Gateway, params: Params, context: CallContext) -> Result:
    raise RuntimeError("the secret reason")


async def miss(gateway: Gateway, params: Params, context: CallContext) -> Result:
    raise KeyError("a defect that is no unknown tool")


def say(result: Result) -> str:
    return f"{result.error['code']}: {result.error['message']}" if result.error else result.text


def operations() -> dict[str, Operation]:
    handlers = (steps, report_failure, miss, hang, fail, echo, crash, chatter, big)
    made = [
        Operation(
            name=handler.__name__,
            title=handler.__name__.title(),
            description=f"Test {handler.__name__}.",
            params=Params,
            result=Result,
            handler=handler,
            text=say,
            failed=lambda result: result.error is not None,
        )
        for handler in handlers
    ]
    plain: dict[str, Any] = {"title": "T", "description": "D.", "params": Params}
    made.append(Operation(name="fail_closed", result=Closed, handler=fail_closed, **plain))
    made.append(Operation(name="json_words", result=Result, handler=echo, **plain))
    made.append(Operation(name="shapeless", result=Shapeless, handler=echo, **plain))
    return {operation.name: operation for operation in made}


async def read_all(gateway: Gateway, values: Mapping[str, str], context: CallContext) -> str:
    return '{"jobs": []}'


async def read_one(gateway: Gateway, values: Mapping[str, str], context: CallContext) -> str:
    if values["jobId"] == "none":
        raise LookupError("none")
    return f'{{"id": "{values["jobId"]}"}}'


class FakeGateway(Gateway):
    version = "9.8.7"
    instructions = "Ask the fake."
    defers = False
    presence = Presence({}, Settings(home=Path("/"), config_file=Path("/none")), {})
    absent = frozenset()
    host = PluginHost()
    environ = {"LLM_GATEWAY_HOME": "/dev/null/none"}  # nothing can be written there
    operations = operations()
    resources = (
        Resource(uri="jobs://all", name="jobs", description="All jobs.", read=read_all),
        Resource(uri="jobs://{jobId}", name="job", description="One job.", read=read_one),
        Resource(uri="cache-state://session/{jobId}", name="cache", description="Its cache.", read=read_one),
    )
    prompts = (
        PromptTemplate(
            name="review",
            title="Review",
            description="Review a file.",
            arguments={"file": "Which file"},
            render=lambda given: f"Review {given['file']}.",
        ),
    )

    def __init__(self) -> None:
        """Hold nothing."""

    def listed_operations(self) -> list[Operation]:
        return list(self.operations.values())

    async def call(self, name: str, arguments: Mapping[str, Any], context: CallContext) -> BaseModel:
        try:
            params = self.operations[name].params.model_validate(arguments)
        except ValidationError as error:
            wrong = str(error.errors()[0]["loc"][0])
            near = difflib.get_close_matches(wrong, Params.model_fields, 1)
            raise InvalidRequest(f"{wrong} is no parameter of {name}; did you mean {near[0]}?") from error
        return await self.operations[name].handler(self, params, context)

    async def read(self, uri: str, context: CallContext) -> tuple[str, str]:
        for resource in self.resources:
            head = resource.uri.partition("{")[0]
            if uri == resource.uri or (resource.is_template and uri.startswith(head)):
                values = {"jobId": uri[len(head) :]}
                return resource.mime_type, await resource.read(self, values, context)
        raise LookupError(uri)


if __name__ == "__main__":
    if "--as-started" in sys.argv:
        assert "mcp" not in sys.modules, "the plugin imports the SDK before it serves"
    assert len(ERRORS) > 20
    transport = gateway_open_transport("mcp")
    assert transport is not None
    if "--preload" in sys.argv:
        transport.preload()
        print("printed while the gateway opens")
    anyio.run(transport.serve, FakeGateway())
    print("printed while the gateway closes", flush=True)
