"""The page of the tools names every tool, every parameter and every field of an answer."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from llm_gateway.operations.answers import AsyncResult, RequestResult
from llm_gateway.operations.requests import RequestParams
from llm_gateway_extension_builtin.cache import plugin as cache
from llm_gateway_extension_builtin.pricing.plugin import Pricing
from llm_gateway_extension_operations.jobs import RawPage
from llm_gateway_extension_operations.plugin import gateway_operations, gateway_resources
from llm_gateway_extension_review.operations import OPERATIONS as REVIEWS
from llm_gateway_extension_review.result import ReviewResult
from llm_gateway_provider_claude.options import ClaudeOptions
from llm_gateway_provider_echo.options import EchoOptions

pytestmark = pytest.mark.docs

PAGE = (Path(__file__).parents[2] / "docs/reference/tools.md").read_text("utf-8")
OPERATIONS = [*gateway_operations(), *REVIEWS]


def missing(model: type[BaseModel], text: str) -> list[str]:
    names = [field.alias or name for name, field in model.model_fields.items()]
    return [name for name in names if f"`{name}`" not in text]


@pytest.mark.parametrize(
    "model", [RequestParams, RequestResult, AsyncResult, RawPage, ReviewResult, ClaudeOptions, EchoOptions]
)
def test_every_parameter_and_field_is_explained(model: type[BaseModel]) -> None:
    assert missing(model, PAGE) == []


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_every_operation_is_explained_with_what_it_takes_and_answers(operation: object) -> None:
    _, found, entry = PAGE.partition(f"## `{operation.name}`\n")  # type: ignore[attr-defined]
    entry = entry.partition("\n## ")[0]
    assert found
    assert missing(operation.params, entry) == []  # type: ignore[attr-defined]
    elsewhere = ("As `llm_job_status`", "fields of a request's answer", "fields of a review")
    if not any(words in entry for words in elsewhere):
        assert missing(operation.result, entry) == []  # type: ignore[attr-defined]


def test_every_resource_is_named() -> None:
    resources = [*gateway_resources(), *cache.gateway_resources(), *Pricing().gateway_resources()]
    assert [resource.uri for resource in resources if f"`{resource.uri}`" not in PAGE] == []
