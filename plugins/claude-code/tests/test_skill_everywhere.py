"""One set of words: for Claude Code a plugin, for every client resources and prompts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import llm_gateway
from llm_gateway import find_plugins
from llm_gateway_extension_claude_code import plugin
from llm_gateway_extension_claude_code.texts import ASSISTANT

SKILL = ASSISTANT / "skills/multi-llm-orchestration"
CHECKOUT = Path(__file__).parents[3]
PAGES = sorted(ASSISTANT.rglob("*.md"))
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def test_every_file_of_the_skill_is_a_resource_and_every_command_a_prompt() -> None:
    uris = {resource.uri for resource in plugin.gateway_resources()}
    assert uris == {f"skill://{SKILL.name}/{path.relative_to(SKILL).as_posix()}" for path in SKILL.rglob("*.md")}
    names = {prompt.name for prompt in plugin.gateway_prompts()}
    assert (
        names
        == {path.stem for path in (ASSISTANT / "commands").glob("*.md")}
        == {"review", "ask", "jobs", "sessions", "cache"}
    )


def test_a_prompt_says_what_was_asked_for_and_nothing_of_its_head() -> None:
    ask = next(prompt for prompt in plugin.gateway_prompts() if prompt.name == "ask")
    assert ask.render({"request": "codex why?"}).startswith("Put this question to another agent: codex why?\n")
    assert "(nothing named)" in ask.render({})


def test_the_skill_is_cheap_to_load() -> None:
    assert len((SKILL / "SKILL.md").read_text("utf-8")) < 6_000
    description = next(resource.description for resource in plugin.gateway_resources() if "SKILL" in resource.uri)
    assert 100 < len(description) < 1_024


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text("utf-8")):
        assert (page.parent / target).is_file(), target


@every_page
def test_tools_errors_and_resources_that_the_words_name_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    host, _ = find_plugins({"HOME": "/nowhere", "PATH": ""})
    operations = {operation.name for _, operation in host.operations()}
    for name in re.findall(r"`((?:llm|session|cli|review|ask|list|approval)_[a-z_]+)`", text):
        assert name in operations or name in llm_gateway.errors.ERRORS, name
    for name in re.findall(r"^\| `([a-z_]+)`", text, re.M):
        assert name in llm_gateway.errors.ERRORS, name
    uris = {resource.uri for _, resource in host.resources()}
    for uri in re.findall(r"[a-z-]+://[\w./{}-]+[\w}]", text):
        assert uri in uris, uri


def test_the_plugin_for_claude_code_is_of_this_version_and_where_the_marketplace_says() -> None:
    manifest = json.loads((ASSISTANT / ".claude-plugin/plugin.json").read_text("utf-8"))
    market = json.loads((CHECKOUT / ".claude-plugin/marketplace.json").read_text("utf-8"))
    assert manifest["version"] == llm_gateway.__version__
    assert [(one["name"], (CHECKOUT / one["source"]).resolve()) for one in market["plugins"]] == [
        (manifest["name"], ASSISTANT)
    ]
