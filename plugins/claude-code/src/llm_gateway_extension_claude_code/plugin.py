"""The entry point: the skill as resources, the commands as prompts."""

from __future__ import annotations

from llm_gateway import PromptTemplate, Resource, hookimpl
from llm_gateway_extension_claude_code import texts


@hookimpl
def gateway_resources() -> list[Resource]:
    """The skill's files."""
    return list(texts.resources())


@hookimpl
def gateway_prompts() -> list[PromptTemplate]:
    """The commands."""
    return list(texts.prompts())
