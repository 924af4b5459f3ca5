"""Models, versions, and the warning about an untested version."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from llm_gateway import BrokenVersions, CallContext, Failure, Gateway, ModelInfo, open_gateway
from llm_gateway.cli import versions
from llm_gateway.errors import InvalidRequest
from llm_gateway_extension_operations import models, version_check
from tests.busy import pause

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version_check, "_known", {})
    monkeypatch.setattr(versions, "_known_versions", {})


class World:
    """A home, and a program in front of the imitation that reports a chosen version."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.asked = folder / "asked"
        self.logins = folder / "logins"
        self.program = folder / "bin/llm-gateway-echo"
        self.program.parent.mkdir()
        self.env = {
            **os.environ,
            "LLM_GATEWAY_HOME": str(self.home),
            "LLM_GATEWAY_ECHO_HOME": str(folder / "echo"),
            "LLM_GATEWAY_PLUGINS": "echo,claude,operations",
            "LLM_GATEWAY_PROVIDERS_ECHO_EXECUTABLE": str(self.program),
        }
        self.work = folder / "work"
        self.work.mkdir()

    def install(self, version: str, before: str = "", *, refuses: bool = False) -> None:
        real = Path(sys.executable).with_name("llm-gateway-echo")
        refusal = """echo "error: unexpected argument '--scenario' found" >&2; exit 2""" if refuses else ":"
        self.program.write_text(
            f"""#!/bin/sh
if [ "$1" = --version ]; then echo asked >> "{self.asked}"; {before or ":"}; echo "echo {version} (imitation)"; exit; fi
if [ "$1" = login ]; then echo "login $QUIET" >> "{self.logins}"; exit; fi
{refusal}
exec "{real}" "$@"
"""
        )
        self.program.chmod(0o755)

    def times_asked(self) -> int:
        return len(self.asked.read_text().splitlines()) if self.asked.exists() else 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Gateway]:
        with anyio.fail_after(60):
            async with open_gateway(self.env) as gateway:
                yield gateway

    async def ask(self, gateway: Gateway, prompt: str) -> dict[str, Any]:
        arguments = {"prompt": prompt, "workingDir": str(self.work), "mcpServers": []}
        result = await gateway.call("echo_request", arguments, CallContext())
        return result.model_dump(by_alias=True, exclude_none=True)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def call(gateway: Gateway, name: str, *, remote: bool = False, **arguments: Any) -> dict[str, Any]:
    result = await gateway.call(name, arguments, CallContext(remote=remote))
    return result.model_dump(by_alias=True, exclude_none=True)


async def known(gateway: Gateway, world: World) -> None:
    """Wait until the version of the program is known."""
    while not (world.home / "versions.json").exists():
        await pause()


def warned(told: dict[str, Any]) -> list[dict[str, Any]]:
    return [warning for warning in told["warnings"] if warning["code"] == "version_unseen"]


async def test_lesson_66_a_newer_version_is_used_with_a_warning(world: World) -> None:
    world.install("7.1.0")
    async with world.open() as gateway:
        first = await world.ask(gateway, "hello")
        assert (first["status"], first["text"]) == ("completed", "echo: hello")
        await known(gateway, world)
        second = await world.ask(gateway, "hello again")
    assert second["status"] == "completed"
    (warning,) = [*warned(first), *warned(second)]  # the version is read while the first one runs
    assert (warning["version"], warning["seenToWork"]) == ("7.1.0", ["0.1.0", "0.1.0"])
    assert "7.1.0 is newer than what was seen to work" in warning["message"]
    assert world.times_asked() == 1


async def test_lesson_66_a_version_is_stored_until_the_program_changes(world: World) -> None:
    world.install("7.1.0")
    async with world.open() as gateway:
        await world.ask(gateway, "hello")
        await known(gateway, world)
    version_check._known.clear()
    versions._known_versions.clear()
    async with world.open() as gateway:
        assert warned(await world.ask(gateway, "in another life"))
        assert world.times_asked() == 1
        (world.home / "versions.json").unlink()
        world.install("0.1.0")
        await world.ask(gateway, "the one that was tested")
        await known(gateway, world)
        assert warned(await world.ask(gateway, "and once more")) == []
    assert (world.home / "versions.json").stat().st_mode & 0o777 == 0o600
    assert list(json.loads((world.home / "versions.json").read_text()).values()) == ["0.1.0"]


async def test_lesson_66_the_version_of_an_unchanged_program_is_read_again_after_a_day(world: World) -> None:
    world.install("7.1.0")
    async with world.open() as gateway:
        await world.ask(gateway, "hello")
        await known(gateway, world)
        version_check._known.clear()
        a_day_ago = time.time() - 25 * 3600
        os.utime(world.home / "versions.json", (a_day_ago, a_day_ago))
        await world.ask(gateway, "the next day")
        while world.times_asked() < 2:
            await pause()


async def test_lesson_66_no_request_waits_for_a_program_that_reports_no_version(world: World) -> None:
    gate = world.work / "gate"
    os.mkfifo(gate)
    world.install("7.1.0", before=f'cat "{gate}" > /dev/null')
    async with world.open() as gateway:
        told = await world.ask(gateway, "hello")
        assert told["status"] == "completed"
        assert warned(told) == []
        assert warned(await world.ask(gateway, "again")) == []
    assert world.times_asked() == 1


@pytest.mark.parametrize("version", ["0.0.9", "0.1.0-nightly.20261129", "7.1.0"])
async def test_an_untested_version_is_named_once_by_a_gateway(world: World, version: str) -> None:
    world.install(version)
    async with world.open() as gateway:
        answers = [await world.ask(gateway, "hello")]
        await known(gateway, world)
        answers += [await world.ask(gateway, prompt) for prompt in ("second", "third")]
    (warning,) = [warning for answer in answers for warning in warned(answer)]
    assert warning["version"] == version


async def test_a_version_with_a_known_fault_is_named_in_every_answer(world: World) -> None:
    world.install("0.1.0")
    async with world.open() as gateway:
        fault = BrokenVersions(below="0.2.0", breaks="it forgets the tokens")
        broken = replace(gateway.providers["echo"], versions_broken=(fault,))
        gateway.providers = {**gateway.providers, "echo": broken}
        await world.ask(gateway, "hello")
        await known(gateway, world)
        for prompt in ("second", "third"):
            told = (await world.ask(gateway, prompt))["warnings"]
            assert [warning["breaks"] for warning in told if warning["code"] == "version_broken"] == [fault.breaks]
        (echo,) = (await call(gateway, "cli_versions", provider="echo"))["providers"]
    assert echo["breaks"] == fault.breaks


async def test_a_build_whose_requests_are_refused_is_a_problem_until_it_is_replaced(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.install("0.1.0")

    async def problem(gateway: Gateway) -> str:
        (echo,) = (await call(gateway, "cli_versions", provider="echo"))["providers"]
        return echo.get("problem", "")

    async with world.open() as gateway:
        assert await problem(gateway) == ""
        world.install("0.1.0", refuses=True)
        unsupported = Failure(code="version_unsupported", message="it does not know --scenario")
        monkeypatch.setattr(gateway.host, "explain_failure", lambda provider, run: unsupported)
        refused = await world.ask(gateway, "hello")
        assert refused["error"]["code"] == "version_unsupported"
        assert "version_unsupported" in await problem(gateway)
    async with world.open() as gateway:
        assert "version_unsupported" in await problem(gateway)
        world.install("0.1.1")
        assert await problem(gateway) == ""


@pytest.mark.parametrize(("version", "times"), [("1.9", 0), ("2.0", 1), ("2.1-nightly", 1), ("none", 0)])
async def test_the_login_is_checked_only_in_versions_that_have_the_check(
    world: World, version: str, times: int
) -> None:
    """In older ones the same arguments may be a prompt, which costs money."""
    world.install(version)
    async with world.open() as gateway:
        checked = replace(
            gateway.providers["echo"], login_argv=("login", "status"), login_since="2.0", login_env={"QUIET": "1"}
        )
        gateway.providers = {**gateway.providers, "echo": checked}
        (echo,) = (await call(gateway, "cli_versions", provider="echo"))["providers"]
    logins = world.logins.read_text().splitlines() if world.logins.exists() else []
    assert logins == ["login 1"] * times
    assert (echo["login"] == "unknown") == (times == 0)


async def test_models_are_listed_with_their_source(world: World) -> None:
    world.install("0.1.0")
    async with world.open() as gateway:
        (echo,) = (await call(gateway, "list_models", provider="echo"))["providers"]
        _, text = await gateway.read("models://echo", CallContext())
    assert {"id": "echo-1", "source": "the program's own price table", "default": True} in echo["models"]
    assert json.loads(text) == {"providers": [echo]}


async def test_models_and_upgrades_are_those_of_the_program_that_runs_requests(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the settings name it and it is not on PATH."""
    world.install("0.1.0")
    asked: list[str | None] = []
    async with world.open() as gateway:
        monkeypatch.setattr(gateway.host, "list_models", lambda provider, program: asked.append(program) or [])
        monkeypatch.setattr(gateway.host, "upgrade_plan", lambda provider, target, program: asked.append(program))
        for installed in (True, False):
            await call(gateway, "list_models", provider="echo")
            with pytest.raises(InvalidRequest):
                await call(gateway, "cli_upgrade", provider="echo")
            if installed:
                world.program.unlink()
    assert asked == [str(world.program)] * 2 + [None] * 2


async def test_lesson_65_a_failing_provider_does_not_affect_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.install("0.1.0")
    monkeypatch.setattr(models, "_TIMEOUT_S", 0.3)
    async with world.open() as gateway:
        hang = anyio.Event()

        def list_models(provider: str, program: str | None) -> list[ModelInfo]:
            if provider == "claude":
                anyio.from_thread.run(hang.wait)
            return [ModelInfo(id="m", source="s")]

        monkeypatch.setattr(gateway.host, "list_models", list_models)
        found = {one["provider"]: one for one in (await call(gateway, "list_models"))["providers"]}
        hang.set()
    assert found["echo"]["models"] == [{"id": "m", "source": "s"}]
    assert found["claude"] == {"provider": "claude", "models": [], "problem": "no answer in 0 s"}


async def test_versions_list_installed_and_tested_versions(world: World) -> None:
    world.install("7.1.0")
    async with world.open() as gateway:
        (echo,) = (await call(gateway, "cli_versions", provider="echo"))["providers"]
        assert echo == {
            "name": "echo",
            "title": "Echo (an imitation agent)",
            "installed": True,
            "path": str(world.program),
            "version": "7.1.0",
            "seenToWork": ["0.1.0", "0.1.0"],
            "inRange": "newer",
            "login": "unknown",
        }
        world.program.unlink()
        (gone,) = (await call(gateway, "cli_versions", provider="echo"))["providers"]
    assert (gone["installed"], gone["install"]) == (False, "pip install llm-gateway-provider-echo")


async def test_lesson_39_all_versions_are_read_concurrently_and_each_build_once(world: World) -> None:
    gate = world.work / "gate"
    os.mkfifo(gate)
    world.install("0.1.0", before=f'cat "{gate}" > /dev/null')
    async with world.open() as gateway:
        echo, claude = gateway.providers["echo"], gateway.providers["claude"]
        sure = replace(
            claude, executable="true", version_argv=(), versions_seen=None, login_argv=("--login",), login_since=""
        )
        gateway.providers = {"claude": sure, "echo": echo}
        async with anyio.create_task_group() as tasks:
            found: list[dict[str, Any]] = []

            async def look() -> None:
                found.extend((await call(gateway, "cli_versions"))["providers"])

            tasks.start_soon(look)
            async with await anyio.open_file(gate, "w") as file:  # opens when the slow one reads
                await file.write("now")
        assert [(one["name"], one["installed"], one["login"]) for one in found] == [
            ("claude", True, "yes"),
            ("echo", True, "unknown"),
        ]
        await call(gateway, "cli_versions", provider="echo")
    assert world.times_asked() == 1


async def test_a_login_known_from_files_needs_no_program_and_its_failure_does_no_harm(
    world: World,
) -> None:
    world.install("0.1.0")
    world.home.mkdir(mode=0o700)
    (world.home / "config.toml").write_text('[providers.echo.env]\nECHO_KEY = "k"\n')
    (world.home / "config.toml").chmod(0o600)
    async with world.open() as gateway:
        echo = gateway.providers["echo"]
        answers: tuple[tuple[Callable[[Mapping[str, str]], bool | None], str], ...] = (
            (lambda env: env["ECHO_KEY"] == "k", "yes"),  # the run's environment, and not the gateway's
            (lambda env: False, "no"),
            (lambda env: None, "unknown"),
            (lambda env: bool(env["no such name"]), "unknown"),
        )
        for logged_in, login in answers:
            gateway.providers = {"echo": replace(echo, logged_in=logged_in)}
            (told,) = (await call(gateway, "cli_versions"))["providers"]
            assert (told["version"], told["login"]) == ("0.1.0", login)


async def test_lesson_48_remote_callers_see_no_paths(world: World) -> None:
    world.install("0.1.0")
    async with world.open() as gateway:
        told = await call(gateway, "cli_versions", remote=True, provider="echo")
    assert told["providers"][0]["version"] == "0.1.0"
    assert str(world.program.parent) not in json.dumps(told)


async def test_an_unknown_provider_is_refused_with_the_most_similar_name(world: World) -> None:
    async with world.open() as gateway:
        for name in ("list_models", "cli_versions", "cli_upgrade"):
            with pytest.raises(InvalidRequest, match="no provider ecko; did you mean echo"):
                await call(gateway, name, provider="ecko")
