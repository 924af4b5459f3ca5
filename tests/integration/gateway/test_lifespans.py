"""Plugins that live as long as the gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from llm_gateway import CallContext, hookimpl
from llm_gateway.opening import find_plugins, open_gateway
from tests.integration.gateway.world import Home

pytestmark = pytest.mark.anyio


class Living:
    """Notes when it begins and ends, and whether the gateway works meanwhile."""

    def __init__(self, name: str, seen: list[str]) -> None:
        self.name = name
        self.seen = seen

    @hookimpl
    def gateway_lifespan(self, gateway: Any, serving: bool) -> Any:
        return self._live(gateway, serving)

    @asynccontextmanager
    async def _live(self, gateway: Any, serving: bool) -> AsyncIterator[None]:
        await gateway.store.unfinished()
        self.seen.append(f"{self.name} begins, serving: {serving}")
        yield
        await gateway.store.unfinished()
        self.seen.append(f"{self.name} ends")


class Failing:
    """Cannot begin."""

    @hookimpl
    def gateway_lifespan(self) -> Any:
        return self._live()

    @asynccontextmanager
    async def _live(self) -> AsyncIterator[None]:
        raise RuntimeError("nothing to connect to")
        yield


class Leaving:
    """Cannot end."""

    @hookimpl
    def gateway_lifespan(self) -> Any:
        return self._live()

    @asynccontextmanager
    async def _live(self) -> AsyncIterator[None]:
        yield
        raise RuntimeError("lost the connection")


class Wrong:
    """Gives something else."""

    @hookimpl
    def gateway_lifespan(self) -> Any:
        return "for ever"


@pytest.mark.parametrize("serving", [True, False])
async def test_a_plugin_lives_as_long_as_the_gateway_and_the_last_to_begin_ends_first(
    home: Home, serving: bool
) -> None:
    seen: list[str] = []
    plugins = [("extension", name, Living(name, seen)) for name in ("one", "other")]
    async with open_gateway(home.env, find_plugins(home.env, plugins), serving=serving):
        begun = list(seen)
    first, second = (line.split()[0] for line in begun)
    assert sorted(begun) == [f"one begins, serving: {serving}", f"other begins, serving: {serving}"]
    assert seen[2:] == [f"{second} ends", f"{first} ends"]


async def test_a_lifespan_that_fails_is_named_and_costs_nothing_else(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []
    broken = {"failing": Failing(), "leaving": Leaving(), "wrong": Wrong(), "living": Living("living", seen)}
    plugins = [("extension", name, plugin) for name, plugin in broken.items()]
    async with open_gateway(home.env, find_plugins(home.env, plugins)) as gateway:
        asked = home.asking("go on", {})
        result: Any = await gateway.call("echo_request", asked, CallContext())
        assert result.text == "echo: go on"
    assert "living ends" in seen
    assert "failing failed as the gateway opened: nothing to connect to" in caplog.text
    assert "leaving failed as the gateway closed: lost the connection" in caplog.text
    assert "wrong answered gateway_lifespan with str" in caplog.text


async def test_a_lifespan_ends_in_order_when_the_gateway_ends_by_an_error(home: Home) -> None:
    seen: list[str] = []
    found = find_plugins(home.env, [("extension", "living", Living("living", seen))])
    with suppress(Exception):
        async with open_gateway(home.env, found):
            raise RuntimeError("the caller is gone")
    assert seen[-1] == "living ends"
