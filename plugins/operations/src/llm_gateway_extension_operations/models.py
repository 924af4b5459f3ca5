"""List the models that the providers' files and commands name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import anyio
from anyio import to_thread

from llm_gateway import (
    CallContext,
    Gateway,
    GatewayError,
    ModelInfo,
    ProviderInfo,
    Resource,
    Wire,
    operation,
    program_of,
    wire_object,
)
from llm_gateway_extension_operations.parameters import OneProvider
from llm_gateway_extension_operations.providers import chosen_providers

#: A plugin may run its program, which may hang.
_TIMEOUT_S = 20.0


class ModelParams(Wire):
    """The provider whose models to list."""

    provider: OneProvider = None


class ModelList(Wire):
    """Models by provider, each name with its source; `problem` if they could not be listed."""

    providers: list[dict[str, Any]]


async def list_models(gateway: Gateway, params: ModelParams, context: CallContext) -> ModelList:
    """List model names of each agent, for the parameter model, with their source. Not needed to use the default."""
    chosen = chosen_providers(gateway, params.provider)
    found: dict[str, dict[str, Any]] = {}

    async def collect(info: ProviderInfo) -> None:
        found[info.name] = {"provider": info.name, **await _models(gateway, info)}

    async with anyio.create_task_group() as tasks:
        for info in chosen:
            tasks.start_soon(collect, info)
    return ModelList(providers=[found[info.name] for info in chosen])


def _models_of_plugin(gateway: Gateway, info: ProviderInfo) -> Sequence[ModelInfo]:
    return gateway.host.list_models(info.name, program_of(info, gateway.settings, gateway.environ))


async def _models(gateway: Gateway, info: ProviderInfo) -> dict[str, Any]:
    try:
        with anyio.fail_after(_TIMEOUT_S):
            models = await to_thread.run_sync(_models_of_plugin, gateway, info, abandon_on_cancel=True)
    except TimeoutError:
        return {"models": [], "problem": f"no answer in {_TIMEOUT_S:.0f} s"}
    except GatewayError as error:  # a failure of one provider must not affect the others
        return {"models": [], "problem": error.message}
    shown = [
        wire_object(id=model.id, source=model.source, default=model.default or None, title=model.title or None)
        for model in models
    ]
    return {"models": shown}


MODEL_OPERATIONS = [operation("list_models", "List models", list_models, ModelParams, ModelList)]


async def _read(gateway: Gateway, variables: Mapping[str, str], context: CallContext) -> str:
    found = await list_models(gateway, ModelParams(provider=variables["provider"]), context)
    return found.model_dump_json(by_alias=True, exclude_none=True)


MODEL_RESOURCES = [
    Resource(uri="models://{provider}", name="models", description="Models of one provider.", read=_read)
]
