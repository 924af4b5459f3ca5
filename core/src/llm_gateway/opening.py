"""Finding plugins, reading settings, opening and closing a gateway."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from llm_gateway.gateway import Gateway
from llm_gateway.model.gateway_api import GatewayApi
from llm_gateway.operations.requests import RESERVED

if TYPE_CHECKING:
    from llm_gateway.plugins import PluginHost
    from llm_gateway.settings import Settings

log = logging.getLogger("llm_gateway.opening")


@asynccontextmanager
async def open_gateway(
    environ: Mapping[str, str] | None = None, found: tuple[PluginHost, Settings] | None = None, *, serving: bool = False
) -> AsyncIterator[Gateway]:
    """Find plugins, read settings, open store and engine, take over what dead gateways left; close all at the end.

    :param found: what `find_plugins` answered for this environment, if it was asked already.
    :param serving: a transport is going to serve callers until they are gone; False: one command, which ends soon.

    Raises SettingsError, PluginError (no store or engine for the configured URL), StoreUnavailable.
    """
    from llm_gateway.settings import prepare_home

    surroundings = dict(os.environ if environ is None else environ)
    host, settings = found or find_plugins(surroundings)
    prepare_home(settings)
    gateway = Gateway(settings, host, surroundings)
    await gateway.store.aopen()  # leaves nothing open when it fails
    try:
        await gateway.engine.aopen()
        async with anyio.create_task_group() as tasks:
            await gateway.begin(tasks)
            async with lifespans(gateway, serving=serving):
                yield gateway
            tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await gateway.end()
            await gateway.engine.aclose()
            await gateway.store.aclose()


@asynccontextmanager
async def lifespans(gateway: GatewayApi, *, serving: bool) -> AsyncIterator[None]:
    """Have plugins live as long as this block; they end in the opposite order. One that fails is logged and left out."""
    async with AsyncExitStack() as stack:
        for plugin, lifespan in gateway.host.lifespans(gateway=gateway, serving=serving):
            if await _enter(gateway.host, plugin, lifespan):
                stack.push_async_callback(_leave, gateway.host, plugin, lifespan)
        yield


async def _enter(host: PluginHost, plugin: str, lifespan: AbstractAsyncContextManager[object]) -> bool:
    try:
        await lifespan.__aenter__()
    except Exception as error:  # a plugin's
        log.exception("%s failed as the gateway opened: %s", host.label(plugin), error)
        return False
    return True


async def _leave(host: PluginHost, plugin: str, lifespan: AbstractAsyncContextManager[object]) -> None:
    try:
        await lifespan.__aexit__(None, None, None)
    except Exception as error:  # a plugin's; the gateway closes all the same
        log.exception("%s failed as the gateway closed: %s", host.label(plugin), error)


def find_plugins(
    environ: Mapping[str, str], more: Iterable[tuple[str, str, object]] = ()
) -> tuple[PluginHost, Settings]:
    """Load providers, policies and extensions, and read the settings they and the kernel have. Raises SettingsError.

    :param more: plugins that no entry point names: kind, name, module or object.
    """
    from llm_gateway.plugins import PluginHost
    from llm_gateway.settings import load_settings

    host = PluginHost.discover(environ, reserved=RESERVED)
    host.load_all()
    for kind, name, plugin in more:
        host.register(plugin, kind=kind, name=name)
    settings = load_settings(environ, host.settings_sections())
    host.require_policies(settings.approval.required_policies)
    host.configure(settings.plugins, settings.provider_options)
    return host, settings
