"""The gateway: what is handed to transports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from llm_gateway.model.operation import CallContext, Operation, PromptTemplate, Resource
from llm_gateway.model.provider import ProviderInfo


class Gateway:
    """Holds the plugin host, store, engine and settings. No globals."""

    version: str
    instructions: str  #: how to use this server, for an assistant
    operations: Mapping[str, Operation]  #: by name
    resources: Sequence[Resource]
    prompts: Sequence[PromptTemplate]
    providers: Mapping[str, ProviderInfo]

    async def call(self, name: str, arguments: Mapping[str, Any], context: CallContext) -> BaseModel:
        """Carry out an operation.

        Arguments are those of the wire (camelCase, unvalidated). Raises GatewayError (InvalidRequest for arguments that do not
        fit), LookupError for a name that is no operation.
        """
        raise LookupError(name)

    async def read(self, uri: str, context: CallContext) -> tuple[str, str]:
        """Read a resource: (MIME type, text). Raises LookupError for a URI that is no resource."""
        raise LookupError(uri)
