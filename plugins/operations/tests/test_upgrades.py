"""Upgrades show or run the plugin's command, and never text of a caller."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from llm_gateway import CallContext, Gateway, UpgradePlan, open_gateway
from llm_gateway.errors import InvalidRequest
from llm_gateway_extension_operations import upgrades

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    environ = {**os.environ, "LLM_GATEWAY_HOME": str(tmp_path / "home"), "LLM_GATEWAY_PLUGINS": "echo,operations,git"}
    environ |= {"ECHO_API_KEY": "canary", "LLM_GATEWAY_ECHO_HOME": str(tmp_path / "echo")}
    with anyio.fail_after(60):
        async with open_gateway(environ) as gateway:
            yield gateway


async def upgrade(gateway: Gateway, *, remote: bool = False, **arguments: Any) -> dict[str, Any]:
    result = await gateway.call("cli_upgrade", {"provider": "echo", **arguments}, CallContext(remote=remote))
    return result.model_dump(by_alias=True, exclude_none=True)


def planned(monkeypatch: pytest.MonkeyPatch, gateway: Gateway, *argv: str) -> list[Any]:
    """Let the plugin plan this command; return the requested targets."""
    asked = []

    def plan(provider: str, target: str | None, program: str | None) -> UpgradePlan:
        asked.append((provider, target))
        return UpgradePlan(argv=argv, method="test")

    monkeypatch.setattr(gateway.host, "upgrade_plan", plan)
    return asked


async def test_by_default_no_command_is_run(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    command = ["touch", str(tmp_path / "ran")]
    asked = planned(monkeypatch, gateway, *command)
    told = await upgrade(gateway, target="9.9")
    assert (told["status"], told["command"], told["method"]) == ("planned", command, "test")
    assert told["version"] == "0.1.0"
    assert "exitCode" not in told
    assert asked == [("echo", "9.9")]
    assert not (tmp_path / "ran").exists()


async def test_it_runs_the_planned_command_and_shows_its_result(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mark = tmp_path / "ran"
    planned(monkeypatch, gateway, "sh", "-c", f'echo working; env > "{mark}"')
    told = await upgrade(gateway, dryRun=False)
    assert (told["status"], told["exitCode"], told["output"]) == ("completed", 0, "working")
    assert "PATH=" in mark.read_text()
    assert "canary" not in mark.read_text()


async def test_a_failing_command_is_a_failed_call_with_its_last_output(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned(monkeypatch, gateway, "sh", "-c", "seq 100000; echo no network >&2; exit 3")
    told = await upgrade(gateway, dryRun=False)
    assert (told["status"], told["exitCode"]) == ("failed", 3)
    assert told["output"].startswith("1\n2\n")
    assert told["output"].endswith("no network")
    assert len(told["output"]) < 10_000
    planned(monkeypatch, gateway, "no-such-installer")
    assert "no-such-installer was not found" in (await upgrade(gateway, dryRun=False))["output"]


async def test_a_long_upgrade_continues_between_calls(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    asked = planned(monkeypatch, gateway, "sh", "-c", f'cat "{gate}"')
    monkeypatch.setattr(upgrades, "_WAIT_S", 0.05)
    assert (await upgrade(gateway, dryRun=False))["status"] == "running"
    assert (await upgrade(gateway, dryRun=False, target="1.2"))["status"] == "running"
    assert len(asked) == 1, "one at a time"
    monkeypatch.setattr(upgrades, "_WAIT_S", 30.0)
    async with await anyio.open_file(gate, "w") as file:
        await file.write("done at last")
    assert (await upgrade(gateway, dryRun=False))["output"] == "done at last"


async def test_lesson_53_no_caller_names_a_package_a_flag_or_another_command(gateway: Gateway) -> None:
    for target in ("--index-url=http://evil", "1.0 other-package", "git+https://evil", "../x", "-e", "1;rm -rf /", ""):
        with pytest.raises(InvalidRequest, match="target"):
            await upgrade(gateway, target=target)
    with pytest.raises(InvalidRequest):
        await upgrade(gateway, package="other")


@pytest.mark.parametrize("dry_run", [True, False])
async def test_lesson_53_remote_callers_cannot_upgrade(gateway: Gateway, dry_run: bool) -> None:
    with pytest.raises(InvalidRequest, match="own machine"):
        await upgrade(gateway, remote=True, dryRun=dry_run)


async def test_an_unknown_installation_is_an_error_with_the_install_command(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway.host, "upgrade_plan", lambda provider, target, program: None)
    with pytest.raises(InvalidRequest) as caught:
        await upgrade(gateway)
    assert "pip install" in (caught.value.recovery or "")
