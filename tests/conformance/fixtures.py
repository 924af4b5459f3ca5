"""The tools, resources and prompts that the official suite asks for, brought through our own hooks as a stranger would.

What an operation cannot say (pictures, sounds, logging, questions of its own form) is left out; `README.md` says why.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import anyio
from pydantic import BaseModel, ConfigDict

from llm_gateway import CallContext, Gateway, Operation, PromptTemplate, Resource, hookimpl
from llm_gateway.errors import InvalidRequest


class Nothing(BaseModel):
    """Takes nothing."""

    model_config = ConfigDict(extra="forbid")


class Message(BaseModel):
    """What to ask."""

    model_config = ConfigDict(extra="forbid")
    message: str = "May it run?"


class Schema2020(BaseModel):
    """Its schema is the suite's, word for word."""

    model_config = ConfigDict(extra="allow")

    @classmethod
    def model_json_schema(cls, *args: Any, **how: Any) -> dict[str, Any]:  # noqa: ARG003 - as pydantic calls it
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "$defs": {
                "address": {
                    "$anchor": "addressDef",
                    "type": "object",
                    "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
                }
            },
            "properties": {
                "name": {"type": "string"},
                "address": {"$ref": "#/$defs/address"},
                "contactMethod": {"type": "string", "enum": ["phone", "email"]},
                "phone": {"type": "string"},
                "email": {"type": "string"},
            },
            "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
            "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
            "then": {"required": ["phone"]},
            "else": {"required": ["email"]},
            "additionalProperties": False,
        }


class Words(BaseModel):
    """The words of an answer."""

    words: str


async def simple_text(gateway: Gateway, params: Nothing, context: CallContext) -> Words:
    return Words(words="This is a simple text response for testing.")


async def error_handling(gateway: Gateway, params: Nothing, context: CallContext) -> Words:
    raise InvalidRequest("This tool intentionally returns an error for testing")


async def with_progress(gateway: Gateway, params: Nothing, context: CallContext) -> Words:
    for step in range(3):
        if context.progress:
            await context.progress(f"step {step + 1} of 3")
        with anyio.move_on_after(0.3):  # work: the transport tells a client of no more than four steps a second
            await anyio.sleep_forever()
    return Words(words="Three steps were taken.")


async def elicitation(gateway: Gateway, params: Message, context: CallContext) -> Words:
    answer = await context.ask(params.message) if context.ask else None
    return Words(words=f"The human said: {answer}")


async def one_question(gateway: Gateway, params: Nothing, context: CallContext) -> Words:
    return await elicitation(gateway, Message(), context)


async def two_questions(gateway: Gateway, params: Nothing, context: CallContext) -> Words:
    answers = [await elicitation(gateway, Message(message=message), context) for message in ("May it?", "Really?")]
    return Words(words="; ".join(answer.words for answer in answers))


async def logs(gateway: Gateway, params: Nothing, context: CallContext) -> Words:
    logging.getLogger(__name__).warning("a tool has something to say")  # to stderr: nobody's notification
    return Words(words="It was logged.")


def operation(name: str, handler: object, params: type[BaseModel] = Nothing) -> Operation:
    return Operation(
        name=name,
        title=name.replace("_", " ").title(),
        description="A fixture of the conformance suite.",
        params=params,
        result=Words,
        handler=handler,  # type: ignore[arg-type]  # each takes its own parameters
        text=lambda result: result.words,
        read_only=True,
    )


async def static_text(gateway: Gateway, values: Mapping[str, str], context: CallContext) -> str:
    return "This is the content of the static text resource."


async def template_data(gateway: Gateway, values: Mapping[str, str], context: CallContext) -> str:
    return f'{{"id":"{values["id"]}","templateTest":true,"data":"Data for ID: {values["id"]}"}}'


@hookimpl
def gateway_operations() -> Sequence[Operation]:
    return [
        operation("test_simple_text", simple_text),
        operation("test_error_handling", error_handling),
        operation("test_tool_with_progress", with_progress),
        operation("test_elicitation", elicitation, Message),
        operation("test_streaming_elicitation", elicitation, Message),
        operation("test_input_required_result_elicitation", one_question),
        operation("test_input_required_result_request_state", one_question),
        operation("test_input_required_result_tampered_state", one_question),
        operation("test_input_required_result_multi_round", two_questions),
        operation("test_logging_tool", logs),
        operation("json_schema_2020_12_tool", simple_text, Schema2020),
    ]


@hookimpl
def gateway_resources() -> Sequence[Resource]:
    return [
        Resource(
            uri="test://static-text", name="Static text", description="Text.", mime_type="text/plain", read=static_text
        ),
        Resource(uri="test://template/{id}/data", name="Template", description="By id.", read=template_data),
    ]


@hookimpl
def gateway_prompts() -> Sequence[PromptTemplate]:
    return [
        PromptTemplate(
            name="test_simple_prompt",
            title="Simple",
            description="A prompt without arguments.",
            render=lambda given: "This is a simple prompt for testing.",
        ),
        PromptTemplate(
            name="test_prompt_with_arguments",
            title="With arguments",
            description="A prompt with two arguments.",
            arguments={"arg1": "First test argument", "arg2": "Second test argument"},
            render=lambda given: f"Prompt with arguments: arg1='{given['arg1']}', arg2='{given['arg2']}'",
        ),
    ]
