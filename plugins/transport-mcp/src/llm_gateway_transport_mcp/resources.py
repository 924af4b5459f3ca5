"""The gateway's resources: those with a fixed URI, and templates."""

from __future__ import annotations

import logging
from typing import Any

from mcp import MCPError, types
from mcp.server.context import ServerRequestContext

from llm_gateway import CallContext, Gateway, Resource
from llm_gateway.errors import GatewayError
from llm_gateway_transport_mcp.serializable import shown

log = logging.getLogger(__name__)

Context = ServerRequestContext[Any, Any]


class Resources:
    """Answers resources/list, resources/templates/list and resources/read."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def list(self, ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListResourcesResult:
        """List the resources with a fixed URI."""
        return types.ListResourcesResult(
            resources=shown("resource", (each for each in self._gateway.resources if not each.is_template), _fixed)
        )

    async def list_templates(
        self, ctx: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        """List the templates."""
        return types.ListResourceTemplatesResult(
            resource_templates=shown("resource", (each for each in self._gateway.resources if each.is_template), _open)
        )

    async def read(self, ctx: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        """Read one resource."""
        uri = str(params.uri)
        try:
            mime_type, text = await self._gateway.read(uri, CallContext())
        except LookupError as error:
            if type(error) is not LookupError:  # perhaps a defect in the reader; the client gets the same answer
                log.exception("reading %s failed", uri)
            raise MCPError(types.INVALID_PARAMS, "Resource not found", {"uri": uri}) from error
        except GatewayError as error:
            raise MCPError(types.INTERNAL_ERROR, error.message, {"uri": uri, "error": error.to_wire()}) from error
        except Exception as error:
            log.exception("reading %s failed", uri)
            raise MCPError(types.INTERNAL_ERROR, "The resource could not be read", {"uri": uri}) from error
        return types.ReadResourceResult(contents=[types.TextResourceContents(uri=uri, mime_type=mime_type, text=text)])


def _fixed(each: Resource) -> types.Resource:
    return types.Resource(uri=each.uri, name=each.name, description=each.description, mime_type=each.mime_type)


def _open(each: Resource) -> types.ResourceTemplate:
    facts = {"name": each.name, "description": each.description, "mime_type": each.mime_type}
    return types.ResourceTemplate(uri_template=each.uri, **facts)
