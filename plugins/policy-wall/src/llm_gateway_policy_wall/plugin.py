"""The hooks: refuse what cannot be walled, put the wall around what is executed, tell `doctor`."""

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
#: Up to here a run looks and changes nothing in its directories.
_LOOKS = Posture.PLAN


class _Set:
    """What the operator set."""

    settings = WallSettings()


@hookimpl
def gateway_settings() -> Mapping[str, type[BaseModel]]:
    """See settings.py."""
    return {"wall": WallSettings}


@hookimpl
def gateway_configure(settings: Mapping[str, BaseModel]) -> None:
    """Keep what was set."""
    own = settings["wall"]
    assert isinstance(own, WallSettings)
    _Set.settings = own


@hookimpl
def gateway_approve(proposal: Proposal) -> Verdict | None:
    """See judgement.py. A run that a rule leaves without a wall is not judged."""
    settings = _Set.settings
    if not settings.rule(proposal.request.provider, proposal.posture).enabled:
        return None
    return judge(proposal.request, settings, os.environ, _trouble())


@hookimpl(wrapper=True)
def gateway_build_argv(
    request: Request, posture: Posture, providers: Mapping[str, ProviderInfo]
) -> Generator[None, Invocation, Invocation]:
    """Put the launcher before the command; it builds the wall where the run happens."""
    made = yield
    settings = _Set.settings
    rule = settings.rule(request.provider, posture)
    if not rule.enabled:
        return made
    if not settings.required and (why := _trouble()):
        notice = Notice(code="no_wall", message=f"This run has no wall around it. {why}")
        return replace(made, warnings=(*made.warnings, notice))
    plan = _plan(request, posture, providers, rule, made)
    return replace(
        made, argv=(sys.executable, "-I", "-S", str(LAUNCHER), RUN_FILES, json.dumps(plan), "--", *made.argv)
    )


@hookimpl
def gateway_diagnose() -> Sequence[Diagnosis]:
    """Whether a wall can be built here."""
    settings = _Set.settings
    if why := _trouble():
        return [Diagnosis(name="wall", ok=not settings.required, message=why)]
    program = bubblewrap.find(settings.bubblewrap, os.environ) or ""
    about = f"{bubblewrap.version(program) or 'bubblewrap'} {program}, network {settings.network}"
    return [Diagnosis(name="wall", ok=True, message=about)]


def _trouble() -> str:
    return bubblewrap.trouble(_Set.settings.bubblewrap, os.environ)


def _plan(
    request: Request, posture: Posture, providers: Mapping[str, ProviderInfo], rule: WallRule, made: Invocation
) -> dict[str, object]:
    """What the launcher is told. Nothing of it is secret: it stands on a command line."""
    info = providers[request.provider].of(request.variant)
    folders = [name for one in providers.values() for two in one.programs.values() for name in two.project_folders]
    settings = _Set.settings
    return {
        "bwrap": str(settings.bubblewrap or "bwrap"),
        "work": [request.working_dir, *request.add_dirs],
        "writes": posture > _LOOKS,
        "protected": sorted({*settings.protected, *folders}),
        "visible": rule.visible,
        "writable": rule.writable,
        "own_paths": info.own_paths,
        "own_settings": info.own_settings,
        "network": rule.network,
        "hosts": [*info.hosts, *rule.hosts],
        "addresses": made.hosts,
        "url_env": info.url_env,
    }
