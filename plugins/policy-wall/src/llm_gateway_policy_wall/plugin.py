"""The hooks: deny requests that cannot have a wall, wrap commands with the launcher, report to `doctor`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel

from llm_gateway import (
    RUN_FILES,
    Diagnosis,
    Invocation,
    Notice,
    Posture,
    Proposal,
    ProviderInfo,
    Request,
    Verdict,
    hookimpl,
)
from llm_gateway_policy_wall import bubblewrap
from llm_gateway_policy_wall.judgement import judge
from llm_gateway_policy_wall.settings import WallRule, WallSettings

LAUNCHER = Path(__file__).with_name("outside") / "launcher.py"
#: Up to this level a run only reads its directories.
_READS = Posture.PLAN


class Wall:
    """The hooks, with the settings of one gateway."""

    def __init__(self) -> None:
        self._settings = WallSettings()

    @hookimpl
    def gateway_settings(self) -> Mapping[str, type[BaseModel]]:
        """See settings.py."""
        return {"wall": WallSettings}

    @hookimpl
    def gateway_configure(self, settings: Mapping[str, BaseModel]) -> None:
        """Store the operator's settings."""
        configured = settings["wall"]
        assert isinstance(configured, WallSettings)
        self._settings = configured

    @hookimpl
    def gateway_approve(self, proposal: Proposal) -> Verdict | None:
        """See judgement.py. If a rule disables the wall for a run, there is no verdict."""
        settings = self._settings
        if not settings.rule(proposal.request.provider, proposal.posture).enabled:
            return None
        return judge(proposal.request, settings, os.environ, self._trouble())

    @hookimpl(wrapper=True)
    def gateway_build_argv(
        self, request: Request, posture: Posture, providers: Mapping[str, ProviderInfo]
    ) -> Generator[None, Invocation, Invocation]:
        """Put the launcher before the command. It builds the wall on the machine of the run."""
        invocation = yield
        settings = self._settings
        rule = settings.rule(request.provider, posture)
        if not rule.enabled:
            return invocation
        why = "" if settings.required else self._trouble()
        if why:
            notice = Notice(code="no_wall", message=f"This run has no wall around it. {why}")
            return replace(invocation, warnings=(*invocation.warnings, notice))
        plan = self._plan(request, posture, providers, rule, invocation)
        return replace(
            invocation,
            argv=(sys.executable, "-I", "-S", str(LAUNCHER), RUN_FILES, json.dumps(plan), "--", *invocation.argv),
        )

    @hookimpl
    def gateway_diagnose(self) -> Sequence[Diagnosis]:
        """Report whether a wall can be built on this machine."""
        settings = self._settings
        why = self._trouble()
        if why:
            return [Diagnosis(name="wall", ok=not settings.required, message=why)]
        program = bubblewrap.find(settings.bubblewrap, os.environ) or ""
        about = f"{bubblewrap.version(program) or 'bubblewrap'} {program}, network {settings.network}"
        return [Diagnosis(name="wall", ok=True, message=about)]

    def _trouble(self) -> str:
        return bubblewrap.trouble(self._settings.bubblewrap, os.environ)

    def _plan(
        self,
        request: Request,
        posture: Posture,
        providers: Mapping[str, ProviderInfo],
        rule: WallRule,
        invocation: Invocation,
    ) -> dict[str, object]:
        """Return the plan for the launcher. It must not contain secrets, because it is an argument of a command."""
        info = providers[request.provider].of(request.variant)
        programs = [program for provider in providers.values() for program in provider.programs.values()]
        folders = [name for program in programs for name in program.project_folders]
        settings = self._settings
        return {
            "bwrap": str(settings.bubblewrap or "bwrap"),
            "program": invocation.argv.index(info.executable) if info.executable in invocation.argv else 0,
            "work": [request.working_dir, *request.add_dirs],
            "writes": posture > _READS,
            "protected": sorted({*settings.protected, *folders}),
            "visible": rule.visible,
            "writable": rule.writable,
            "own_paths": info.own_paths,
            "own_settings": info.own_settings,
            "network": rule.network,
            "hosts": [*info.hosts, *rule.hosts],
            "addresses": invocation.hosts,
            "url_env": info.url_env,
        }
