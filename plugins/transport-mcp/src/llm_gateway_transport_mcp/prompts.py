"""Prompts that a client may offer to its user."""

from __future__ import annotations

import logging
from typing import Any

from mcp import MCPError, types
from mcp.server.context import ServerRequestContext

from llm_gateway import Gateway, PromptTemplate
from llm_gateway.errors import GatewayError
from llm_gateway_transport_mcp.serializable import shown

log = logging.getLogger(__name__)

Context = ServerRequestContext[Any, Any]


class Prompts:
    """Answers prompts/list and prompts/get."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def list(self, ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
        """List all prompts."""
        return types.ListPromptsResult(prompts=shown("prompt", self._gateway.prompts, _prompt))

    async def get(self, ctx: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        """Render one prompt."""
        prompt = next((each for each in self._gateway.prompts if each.name == params.name), None)
        if prompt is None:
            raise MCPError(types.INVALID_PARAMS, f"Unknown prompt: {params.name}")
        given = params.arguments or {}
        if unknown := sorted(set(given) - set(prompt.arguments)):
            known = ", ".join(prompt.arguments) or "none"
            raise MCPError(types.INVALID_PARAMS, f"Unknown argument {unknown[0]!r}; {prompt.name} takes: {known}")
        try:
            text = prompt.render(given)
        except KeyError as error:
            raise MCPError(types.INVALID_PARAMS, f"Missing argument: {error.args[0]}") from error
        except GatewayError as error:
            raise MCPError(types.INVALID_PARAMS, error.message, error.to_wire()) from error
        except Exception as error:
            log.exception("prompt %s failed", prompt.name)
            raise MCPError(types.INTERNAL_ERROR, "The prompt could not be rendered") from error
        message = types.PromptMessage(role="user", content=types.TextContent(type="text", text=text))
        return types.GetPromptResult(description=prompt.description, messages=[message])


def _prompt(each: PromptTemplate) -> types.Prompt:
    arguments = [types.PromptArgument(name=name, description=text) for name, text in each.arguments.items()]
    return types.Prompt(name=each.name, title=each.title, description=each.description, arguments=arguments)
