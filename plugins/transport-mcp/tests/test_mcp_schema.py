"""What a tool costs in a model's context, and what its schemas still mean."""

from __future__ import annotations

import logging
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ConfigDict, Field, RootModel
from pydantic.alias_generators import to_camel

from llm_gateway import Gateway, Operation
from llm_gateway_transport_mcp.schema import UnusableSchema, input_schema, output_schema
from llm_gateway_transport_mcp.tools import listing, listing_bytes


class Wire(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Strict(Wire):
    model_config = ConfigDict(extra="forbid")


class CacheControl(Strict):
    """Which blocks to mark."""

    system: bool | None = None
    tools: bool | None = None
    context: bool | None = None


class PromptParts(Strict):
    """A prompt in its parts."""

    system: str | None = None
    tools: str | None = None
    context: str | None = None
    task: str
    cache_control: CacheControl | None = None


Level = Literal["read_only", "plan", "prompted", "accept_edits", "workspace_write", "bypass"]


NoFlag = Annotated[str, Field(pattern=r"^[^-\s].*$", max_length=400)]


class RequestParams(Strict):
    prompt: str | None = None
    prompt_parts: PromptParts | None = None
    model: NoFlag | None = Field(None, description="Leave out: the CLI's default is best")
    session_id: NoFlag | None = Field(None, description="Continue: gw-… or the CLI's own id")
    resume_latest: bool = Field(False, description="Continue the newest of this directory")
    create_new_session: bool = False
    on_busy: Literal["refuse", "queue"] = "refuse"
    approval_strategy: str = Field("legacy", description="legacy, mcp_managed, …")
    approval_policy: Literal["strict", "balanced", "permissive"] = "balanced"
    posture: Level | None = None
    allowed_tools: list[NoFlag] | None = None
    disallowed_tools: list[NoFlag] | None = None
    mcp_servers: list[str] | None = None
    working_dir: str | None = None
    add_dirs: list[str] | None = None
    idle_timeout_ms: Annotated[int, Field(ge=30_000, le=3_600_000)] | None = None
    timeout_ms: Annotated[int, Field(ge=1, le=86_400_000)] | None = None
    max_turns: Annotated[int, Field(ge=1)] | None = None
    max_budget_usd: Annotated[float, Field(gt=0)] | None = None
    effort: NoFlag | None = None
    output_schema: dict[str, Any] | None = None
    force_refresh: bool = Field(False, description="Run again, no dedup")
    correlation_id: Annotated[str, Field(pattern=r"^[\w.:-]+$", max_length=128)] | None = None
    permission_mode: Literal["default", "acceptEdits", "plan", "bypassPermissions"] | None = None
    append_system_prompt: str | None = None
    fallback_model: NoFlag | None = None
    agent: NoFlag | None = None


class Status(str, Enum):
    COMPLETED = "completed"
    FAILED = "failed"
    DEFERRED = "deferred"


class TurnUsage(Wire):
    """Tokens of this turn."""

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int = 0
    cache_creation_tokens: int = 0
    reasoning_tokens: int | None = None


class Problem(Wire):
    code: str
    message: str
    retryable: bool
    recovery: str | None = None
    provider_message: str | None = None
    reset_at: str | None = None


class Warned(Wire):
    code: str
    message: str


class Answer(Wire):
    """What a request answers."""

    status: Status
    job_id: str | None = None
    provider: str
    model: str | None = None
    text: str | None = None
    session_id: str | None = None
    gateway_session_id: str | None = None
    resumable: bool | None = None
    usage: TurnUsage | None = None
    cost_usd: float | None = None
    cost_basis: Literal["reported", "computed", "unknown"] = "unknown"
    duration_ms: int | None = None
    exit_code: int | None = None
    deduplicated: bool = False
    original_started_at: str | None = None
    approval: dict[str, Any] | None = None
    mcp_servers: dict[str, Any] | None = None
    empty_output: bool = False
    truncated: bool = False
    warnings: list[Warned] = Field(default_factory=list)
    correlation_id: str | None = None
    error: Problem | None = None


class Started(Wire):
    job: dict[str, Any]
    deduplicated: bool = False
    error: Problem | None = None


async def nothing(gateway: Gateway, params: Any, context: object) -> Answer:
    return Answer(status=Status.COMPLETED, provider="p")


def operation(name: str = "p_request", **changes: Any) -> Operation:
    fields: dict[str, Any] = {"title": "Ask", "description": "Ask.", "params": RequestParams, "result": Answer}
    return Operation(name=name, handler=nothing, **{**fields, **changes})


def accepts(schema: dict[str, Any], value: object) -> bool:
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema).is_valid(value)


def test_lesson_70_both_tools_of_a_provider_with_27_parameters_stay_within_their_budget() -> None:
    assert len(RequestParams.model_fields) >= 27
    waits = "Give a task to the agent and wait for its answer. After 45 s the answer is `deferred` with a jobId: go on with llm_job_wait."
    returns = "Start a task and return its job at once; fetch the answer with llm_job_wait and llm_job_result."
    both = [
        operation("p_request", description=waits, open_world=True),
        operation("p_request_async", description=returns, result=Started, open_world=True, brief=True),
    ]
    assert listing_bytes(both, for_models=True) < 4_500
    assert listing_bytes(both) < 5_000


def test_no_title_null_or_default_null_is_left() -> None:
    text = str(input_schema(RequestParams)) + str(output_schema(Answer))
    assert "'title'" not in text
    assert "null" not in text
    assert "None" not in text


def test_a_field_called_title_or_default_stays() -> None:
    class Odd(Strict):
        title: str
        default: str | None = None
        properties: dict[str, int] = Field(default_factory=dict)

    assert set(input_schema(Odd)["properties"]) == {"title", "default", "properties"}


def test_input_stays_closed_and_hidden_fields_are_not_shown() -> None:
    schema = input_schema(RequestParams, {"max_turns", "promptParts"})
    assert schema["additionalProperties"] is False
    assert "maxTurns" not in schema["properties"]
    assert "promptParts" not in schema["properties"]
    assert "$defs" not in schema
    assert accepts(schema, {"prompt": "x", "timeoutMs": 5000})
    assert not accepts(schema, {"prompt": "x", "nonsense": 1})


def test_nested_models_are_still_checked() -> None:
    schema = input_schema(RequestParams)
    assert accepts(schema, {"promptParts": {"task": "t", "cacheControl": {"system": True}}})
    assert not accepts(schema, {"promptParts": {"system": "s"}})


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=Status.COMPLETED, provider="p"),
        Answer(status=Status.FAILED, provider="p", error=Problem(code="timeout", message="m", retryable=True)),
        Answer(status=Status.COMPLETED, provider="p", usage=TurnUsage(input_tokens=1, output_tokens=2), text="t"),
    ],
    ids=["least", "failed", "usage"],
)
def test_every_answer_fits_its_shown_schema(answer: Answer) -> None:
    assert accepts(output_schema(Answer), answer.model_dump(mode="json", by_alias=True, exclude_none=True))


def test_a_failure_fits_every_output_schema() -> None:
    class Closed(Strict):
        jobs: list[int]

    failure = {"status": "failed", "error": {"code": "timeout", "message": "m", "retryable": True}}
    assert accepts(output_schema(Answer), failure)
    assert accepts(output_schema(Closed), failure)
    assert not accepts(output_schema(Closed), {"jobs": "no"})


def test_a_null_that_is_sent_stays_allowed() -> None:
    class Gaps(Wire):
        values: list[int | None]

    assert accepts(output_schema(Gaps), Gaps(values=[1, None]).model_dump(exclude_none=True))


def test_a_model_that_contains_itself_keeps_its_definition() -> None:
    class Node(Wire):
        name: str
        children: list[Node] = Field(default_factory=list)

    Node.model_rebuild(_types_namespace={"Node": Node})
    schema = output_schema(Node)
    assert schema["type"] == "object"
    assert accepts(schema, {"name": "a", "children": [{"name": "b", "children": []}]})
    assert not accepts(schema, {"name": "a", "children": [{"name": 1}]})


def test_a_definition_used_often_is_kept_once() -> None:
    class Many(Wire):
        a: PromptParts
        b: PromptParts
        c: PromptParts
        d: list[PromptParts]

    schema = input_schema(Many)
    assert list(schema["$defs"]) == ["PromptParts"]
    assert accepts(schema, {key: {"task": "t"} for key in "abc"} | {"d": []})


def test_a_broken_tool_is_dropped_and_the_list_stays(caplog: pytest.LogCaptureFixture) -> None:
    class Shapeless(RootModel[list[int]]):
        pass

    class NotSerializable(BaseModel):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        thing: logging.Logger

    broken = [
        operation("b", params=Shapeless),
        operation("c", params=NotSerializable),
        operation("d", result=Shapeless),
    ]
    shown = listing([operation("z"), *broken, operation("a")]).tools
    assert [tool.name for tool in shown] == ["a", "z"]
    assert len(caplog.records) == 3
    with pytest.raises(UnusableSchema):
        input_schema(Shapeless)


def test_hints_and_title_are_shown() -> None:
    tool = listing([operation(read_only=True, idempotent=True, title="Read it")]).tools[0]
    assert tool.title == "Read it"
    assert tool.annotations is not None
    assert tool.annotations.model_dump(exclude_none=True) == {
        "read_only_hint": True,
        "idempotent_hint": True,
        "open_world_hint": False,
    }


class Anchored(BaseModel):
    """Its definition can be meant by its anchor as well."""

    @classmethod
    def model_json_schema(cls, *args: Any, **how: Any) -> dict[str, Any]:  # noqa: ARG003 - as pydantic calls it
        return {
            "type": "object",
            "$defs": {"place": {"$anchor": "here", "type": "string"}},
            "properties": {"one": {"$ref": "#/$defs/place"}, "two": {"$ref": "#here"}},
        }


def test_what_has_an_anchor_stays_where_it_is() -> None:
    assert input_schema(Anchored) == Anchored.model_json_schema()
