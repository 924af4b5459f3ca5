"""The reference pages say what the code says."""

from __future__ import annotations

import inspect
import runpy
from pathlib import Path
from typing import Any

import pytest

from llm_gateway.cli.reference import reference
from llm_gateway.errors import ERRORS
from llm_gateway.hookspecs import HOOKS

pytestmark = pytest.mark.docs

REFERENCE = Path(__file__).parents[2] / "docs/reference"
GENERATOR: dict[str, Any] = runpy.run_path(str(REFERENCE / "generate.py"))


def page(name: str) -> str:
    return (REFERENCE / name).read_text("utf-8")


@pytest.mark.parametrize("name", GENERATOR["PAGES"])
def test_a_page_is_up_to_date(name: str) -> None:
    assert page(name) == GENERATOR["PAGES"][name](), "run: python docs/reference/generate.py"


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_its_parameters_its_occasion_and_an_example_in_the_manual(hook: str) -> None:
    _, found, entry = page("hooks.md").partition(f"## `{hook}`\n")
    assert found
    entry = entry.partition("\n## ")[0]
    assert "\nCalled " in entry
    assert "@hookimpl" in entry
    for parameter in inspect.signature(HOOKS[hook]).parameters:
        assert f"- `{parameter}`: " in entry


def test_every_hook_that_may_answer_none_says_what_that_means() -> None:
    for hook, spec in HOOKS.items():
        if inspect.signature(spec).return_annotation.endswith("| None"):
            assert "\nNone: " in inspect.cleandoc(spec.__doc__), hook


def test_every_error_code_says_what_it_means_and_what_to_do() -> None:
    for code in ERRORS:
        _, found, entry = page("errors.md").partition(f"### `{code}`\n")
        assert found
        assert "- Retryable: " in entry.partition("\n###")[0]
        assert "- What to do: " in entry.partition("\n###")[0]


def test_every_error_class_says_what_to_do() -> None:
    assert [code for code, cls in ERRORS.items() if not cls.default_recovery] == []


def test_every_setting_is_in_the_manual_with_a_description() -> None:
    text = page("settings.md")
    for key in reference():
        assert f"### `{key.path[-1]}`" in text
        assert key.description.endswith("."), key.key
        assert all(f"`{name}`" in text for name in key.env)
