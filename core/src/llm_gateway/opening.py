"""Find plugins, read settings, open and close a gateway."""

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
    """Find plugins, read settings, open store and engine, and take over the jobs of dead gateways. Closes all at the end.

    :param found: the result of `find_plugins` for this environment, if it was called already.
    :param serving: True: a transport serves callers until they disconnect; False: one command, which ends soon.

    Raises SettingsError, PluginError (no store or engine for the configured URL), StoreUnavailable.
    """
    from llm_gateway.settings import prepare_home

    environment = dict(os.environ if environ is None else environ)
    host, settings = found or find_plugins(environment)
    prepare_home(settings)
    gateway = Gateway(settings, host, environment)
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
    """Enter the lifespans of plugins for this block, and leave them in reverse order. A failing plugin is logged and left out."""
    async with AsyncExitStack() as stack:
        for plugin, lifespan in gateway.host.lifespans(gateway=gateway, serving=serving):
            if await _enter(gateway.host, plugin, lifespan):
                stack.push_async_callback(_leave, gateway.host, plugin, lifespan)
        yield


async def _enter(host: PluginHost, plugin: str, lifespan: AbstractAsyncContextManager[object]) -> bool:
    try:
        await lifespan.__aenter__()
    except Exception as error:  # a plugin may raise anything
        log.exception("%s failed as the gateway opened: %s", host.label(plugin), error)
        return False
    return True


async def _leave(host: PluginHost, plugin: str, lifespan: AbstractAsyncContextManager[object]) -> None:
    try:
        await lifespan.__aexit__(None, None, None)
    except Exception as error:  # a plugin may raise anything; the gateway must still close
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
