"""Upgrade a CLI with the command that its provider's plugin plans for this installation, and with no other."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import Annotated, Any
from weakref import WeakKeyDictionary

import anyio
from anyio import to_thread
from pydantic import Field

from llm_gateway import (
    CallContext,
    Gateway,
    ProviderInfo,
    UpgradePlan,
    Wire,
    find_installed,
    look_at_provider,
    operation,
    path_for,
    program_of,
    run_briefly,
    run_environment,
)
from llm_gateway.errors import InvalidRequest
from llm_gateway_extension_operations.parameters import ProviderName
from llm_gateway_extension_operations.providers import known_provider

#: How long a call waits before it returns `running`; another call waits again.
_WAIT_S = 45.0
_LIMIT_S = 900.0
#: Variables of the common installers, in addition to those that every run may see.
_INSTALLERS = (
    *("npm_config_*", "NPM_CONFIG_*", "NVM_*", "VOLTA_*", "PNPM_HOME", "BUN_INSTALL*", "MISE_*", "ASDF_*"),
    *("UV_*", "PIP_*", "PIPX_*", "HOMEBREW_*", "NIX_*"),
)


class UpgradeParams(Wire):
    """The CLI and its new version."""

    provider: ProviderName
    target: Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+!_-]{0,63}$")] | None = Field(
        None, description="Version to install. Default: the newest."
    )
    dry_run: bool = Field(True, description="Only return the command; false runs it.")


class UpgradeResult(Wire):
    """The command, and its outcome."""

    provider: str
    status: str  #: planned, running, completed, failed
    command: list[str]
    method: str
    note: str | None = None
    version: str | None = None  #: what is installed now
    exit_code: int | None = None
    output: str | None = None
    next: str | None = None


@dataclass(slots=True, kw_only=True)
class _Upgrade:
    """A started upgrade. Its result is returned once."""

    plan: UpgradePlan
    over: anyio.Event = field(default_factory=anyio.Event)
    exit_code: int | None = None
    output: str = ""


_started: WeakKeyDictionary[Gateway, dict[str, _Upgrade]] = WeakKeyDictionary()


async def upgrade(gateway: Gateway, params: UpgradeParams, context: CallContext) -> UpgradeResult:
    """Return the command that upgrades an agent's program here; with dryRun false run it. Ask the user first."""
    if context.remote:
        raise InvalidRequest("cli_upgrade is for callers on the gateway's own machine")
    info = known_provider(gateway, params.provider)
    upgrades = _started.setdefault(gateway, {})
    if params.dry_run:
        plan = await _plan(gateway, info, params.target)
        return await _result(gateway, info, plan, "planned", next="Call again with dryRun: false to run it.")
    current = upgrades.get(info.name)
    if current is None:
        planned = _Upgrade(plan=await _plan(gateway, info, params.target))
        current = upgrades.setdefault(info.name, planned)  # during the await, another call may have started one
        if current is planned:
            gateway.tasks.start_soon(_run, gateway, info, current)
    with anyio.move_on_after(_WAIT_S):
        await current.over.wait()
    if not current.over.is_set():
        return await _result(gateway, info, current.plan, "running", next="Call again to wait on.")
    upgrades.pop(info.name, None)
    status = "completed" if current.exit_code == 0 else "failed"
    return await _result(
        gateway, info, current.plan, status, exit_code=current.exit_code, output=current.output.strip() or None
    )


async def _plan(gateway: Gateway, info: ProviderInfo, target: str | None) -> UpgradePlan:
    program = await to_thread.run_sync(program_of, info, gateway.settings, gateway.environ)
    plan = await to_thread.run_sync(gateway.host.upgrade_plan, info.name, target, program)
    if plan is None:
        raise InvalidRequest(
            f"the gateway does not know how this installation of {info.title} can be upgraded",
            recovery=f"Install it again: {info.install}" if info.install else None,
        )
    return plan


async def _run(gateway: Gateway, info: ProviderInfo, current: _Upgrade) -> None:
    """Run the planned command to its end. The only caller input in it is the version that the plugin accepted."""
    env = run_environment(
        gateway.environ, allowed=_INSTALLERS, passed=(), fixed={}, added={}, depth=gateway.settings.depth + 1
    )
    try:
        program = await to_thread.run_sync(find_installed, current.plan.argv[0], gateway.environ)
        if program is None:
            current.output = (
                f"{current.plan.argv[0]} was not found on the gateway's PATH or where people install programs"
            )
        else:
            argv = [program, *current.plan.argv[1:]]
            env["PATH"] = await to_thread.run_sync(path_for, program, env.get("PATH"))
            current.exit_code, current.output = await run_briefly(argv, env, timeout_s=_LIMIT_S)
    except Exception as error:  # an error here must not stop the gateway
        why = f"it did not end within {_LIMIT_S:.0f} s" if isinstance(error, TimeoutError) else str(error)
        current.output = f"{shlex.join(current.plan.argv)}: {why}"
    finally:
        current.over.set()


async def _result(gateway: Gateway, info: ProviderInfo, plan: UpgradePlan, status: str, **more: Any) -> UpgradeResult:
    installed: dict[str, Any] = {}
    if status != "running":
        installed = await look_at_provider(info, gateway.settings, gateway.environ, anew=True)
    return UpgradeResult(
        provider=info.name,
        status=status,
        command=list(plan.argv),
        method=plan.method,
        note=plan.note or None,
        version=installed.get("version"),
        **more,
    )


def _failed(result: UpgradeResult) -> bool:
    return result.status == "failed"


UPGRADE_OPERATIONS = [
    operation(
        "cli_upgrade",
        "Upgrade a CLI",
        upgrade,
        UpgradeParams,
        UpgradeResult,
        failed=_failed,
        destructive=True,
        idempotent=False,
        open_world=True,
    )
]
