"""A caller's values reach a command line only in a form that its program reads as a value."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from llm_gateway import McpServer
from llm_gateway.errors import InvalidRequest
from llm_gateway_provider_kit import arguments


def refuses(check: Callable[..., object], *values: object, **named: object) -> str:
    with pytest.raises(InvalidRequest) as caught:
        check(*values, **named)
    return caught.value.message


@pytest.mark.parametrize("name", ["sonnet", "vendor/model-1.5:free", "a@b", "x" * 200])
def test_names_of_models_pass(name: str) -> None:
    assert arguments.model(name) == name


@pytest.mark.parametrize("name", ["", "-p", "--model", "a b", "a\nb", "a\0b", "a\n", "x" * 201, "[1m]", "größer"])
def test_what_is_no_name_of_a_model_is_refused(name: str) -> None:
    assert "not a model name" in refuses(arguments.model, name)


def test_a_cli_may_have_other_names_of_models() -> None:
    assert arguments.model("opus[1m]", pattern=r"[a-z]+\[1m\]") == "opus[1m]"
    assert "not an alias" in refuses(arguments.model, "opus", pattern="x", what="an alias")


def test_the_message_about_a_long_value_is_short() -> None:
    assert len(refuses(arguments.model, "-" * 10_000)) < 200


def test_a_value_with_its_flag_may_look_like_an_option() -> None:
    assert arguments.option("--rules", "--bypass\nall") == "--rules=--bypass\nall"


@pytest.mark.parametrize("value", ["a\0b", "\ud800", "x" * 131_072, "ö" * 65_536])
def test_a_value_that_cannot_be_an_argument_is_refused(value: str) -> None:
    assert "--rules" in refuses(arguments.option, "--rules", value)


def test_the_longest_argument_is_one_that_the_system_takes() -> None:
    made = arguments.option("--rules", "x" * (arguments.MAX_ARGUMENT_BYTES - len("--rules=")))
    assert len(made) == arguments.MAX_ARGUMENT_BYTES


@pytest.mark.parametrize("value", ["", "-", "--help", "-p", "a\nb", "a\rb", "a\u2028b", "a\x85b", "a\0b", "\ud800"])
def test_a_value_without_a_flag_must_not_look_like_one(value: str) -> None:
    assert "mcpTools" in refuses(arguments.positional, value, "mcpTools")


def test_other_values_without_a_flag_pass() -> None:
    assert arguments.positional("größer - 1", "name") == "größer - 1"


@pytest.mark.parametrize("path", ["", ".", "src", "~/src", "-x", "--/x", "/a\0b"])
def test_a_directory_is_an_absolute_path(path: str) -> None:
    assert "absolute" in refuses(arguments.directory, path)


def test_a_directory_with_a_separator_of_the_cli_is_refused() -> None:
    assert arguments.directory("/a,b") == "/a,b"
    assert "','" in refuses(arguments.directory, "/a,b", without=",;")


@pytest.mark.parametrize("name", ["", "a b", "a.b", "x" * 65, "ü"])
def test_a_name_of_a_server_that_the_cli_cannot_take_is_refused(name: str) -> None:
    assert "Mine does not accept" in refuses(arguments.server_name, McpServer(name=name, command="x"), "Mine")


def test_a_name_of_a_server_passes() -> None:
    assert arguments.server_name(McpServer(name="git-2", command="x"), "Mine") == "git-2"


def test_limits_are_numbers_in_range() -> None:
    assert (arguments.turns(3), arguments.turns(9, 9)) == ("3", "9")
    assert refuses(arguments.turns, 0) == "maxTurns must be at least 1"
    assert refuses(arguments.turns, 0, 9) == refuses(arguments.turns, 10, 9) == "maxTurns must be between 1 and 9"
    assert arguments.effort("low", ("low", "high")) == "low"
    assert refuses(arguments.effort, "max", ("low", "high")) == "effort must be one of low, high"


@pytest.mark.parametrize(
    ("amount", "text"), [(0.5, "0.5"), (1, "1"), (10, "10"), (0.000001, "0.000001"), (1e6, "1000000")]
)
def test_a_budget_has_no_exponent(amount: float, text: str) -> None:
    assert arguments.usd(amount) == text


@pytest.mark.parametrize("amount", [0, -1, 1e-7, 1e7, float("nan"), float("inf")])
def test_a_budget_out_of_range_is_refused(amount: float) -> None:
    assert "maxBudgetUsd" in refuses(arguments.usd, amount)


def test_half_a_character_is_refused() -> None:
    assert arguments.utf8("größer 日本語") == "größer 日本語".encode()
    assert "lone surrogate" in refuses(arguments.utf8, "a\ud800")


def test_a_schema_is_one_line() -> None:
    assert arguments.schema({"type": "object", "title": "a\nb"}) == '{"type":"object","title":"a\\nb"}'
