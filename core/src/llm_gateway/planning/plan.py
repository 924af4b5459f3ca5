"""Step 4: turn an accepted request into a plan: the invocation, its program and the run's environment."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from anyio import to_thread

from llm_gateway.model.configuration import NO_CONFIG, OwnConfig
from llm_gateway.model.engine import RunSpec
from llm_gateway.model.invocation import Invocation
from llm_gateway.model.job import Job
from llm_gateway.model.provider import ProviderInfo
from llm_gateway.model.request import Accepted
from llm_gateway.planning import invocation, surroundings
from llm_gateway.planning.invocation import Program
from llm_gateway.programs import find_executable

if TYPE_CHECKING:
    from llm_gateway.plugins import PluginHost
    from llm_gateway.settings import Settings


#: How long the folders beside a program are not searched again, in seconds: many requests come at once.
_PATHS_HOLD_S = 2.0
_MOST_PATHS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An accepted request with all that its run needs. Only a plan holds the values of environment variables."""

    accepted: Accepted
    invocation: Invocation
    program: Program
    environment: Mapping[str, str]
    first: str  #: argv[0] at execution: an absolute path, if one was found
    config: OwnConfig = NO_CONFIG  #: what of the user's own configuration applies
    made_at: float = field(default_factory=time.monotonic)


class Planner:
    """Builds plans and run specs from the providers' hooks, the settings and the gateway's environment."""

    def __init__(self, host: PluginHost, settings: Settings, environ: Mapping[str, str]) -> None:
        self._host = host
        self._settings = settings
        self._environ = environ
        self._paths: dict[tuple[str, Program, str | None], tuple[str, str, float]] = {}
        self._environments = invocation.RunEnvironments(settings, environ)

    def require_program(self, whole: ProviderInfo, variant: str) -> tuple[ProviderInfo, Program]:
        """Find the program of a provider's variant. Blocking. Raises NotInstalled."""
        override = self._settings.provider(whole.name).executable
        return invocation.require_program(whole, variant, override, self._environ)

    def environment_of(
        self, info: ProviderInfo, added: Mapping[str, str] = MappingProxyType({}), config: OwnConfig = NO_CONFIG
    ) -> Mapping[str, str]:
        """Return the whole environment of a run of this provider.

        :param added: the variables that the invocation adds.
        :param config: what of the user's own configuration applies.
        """
        added = {**config.env, **added}
        return self._environments.of(info, added, depth=self._settings.depth + 1, also_passed=config.env_pass)

    async def plan(self, info: ProviderInfo, accepted: Accepted, program: Program, config: OwnConfig) -> Plan:
        """Build the invocation and the environment of a run. The same request and configuration result in the same plan."""
        built = self._host.build_argv(info.name, accepted.request, accepted.posture, accepted.resume, config)
        if config.notices:
            built = replace(built, warnings=(*config.notices, *built.warnings))
        invocation.check_invocation(built)
        own = self.environment_of(info, built.env, config)
        environment, first = await self._on_this_machine(_argv(built, info, program)[0], program, own)
        watched = surroundings.watched_paths(accepted.request, built)
        accepted = replace(accepted, env_names=tuple(sorted(environment)), watched=watched)
        return Plan(
            accepted=accepted,
            invocation=built,
            program=program,
            environment=environment,
            first=first,
            config=config,
        )

    async def _on_this_machine(
        self, named: str, program: Program, environment: Mapping[str, str]
    ) -> tuple[Mapping[str, str], str]:
        """Return an environment in which the program finds the programs beside it, and argv[0] at execution.

        :param named: argv[0] as built.
        """
        key = (named, program, environment.get("PATH"))
        path, first, found_at = self._paths.get(key, ("", "", -_PATHS_HOLD_S))
        if time.monotonic() - found_at >= _PATHS_HOLD_S:
            path, first = await to_thread.run_sync(_find_paths, named, program, environment)
            if len(self._paths) >= _MOST_PATHS:
                self._paths.clear()
            self._paths[key] = (path, first, time.monotonic())
        return {**environment, "PATH": path}, first

    def run_spec(self, job: Job, plan: Plan) -> RunSpec:
        """Return the specification of a run for the engine."""
        built, request = plan.invocation, plan.accepted.request
        info = self._host.providers[request.provider].of(request.variant)
        settings = self._settings
        return RunSpec(
            job_id=job.id,
            argv=(plan.first, *_argv(built, info, plan.program)[1:]),
            cwd=request.working_dir,
            env=plan.environment,
            stdin=built.stdin,
            files=built.files,
            artifacts=built.artifacts,
            timeout_s=request.timeout_s,
            idle_timeout_s=request.idle_timeout_s,
            output_bytes=settings.limits.output_bytes,
            memory_bytes=settings.limits.memory_mb * 1024**2 if settings.limits.memory_mb else None,
            processes=settings.limits.processes,
            cpu=settings.limits.cpu,
            end_steps=info.end_steps,
        )


def _find_paths(named: str, program: Program, environment: Mapping[str, str]) -> tuple[str, str]:
    """Return the PATH of a run, and argv[0]. Blocking: a few stat calls."""
    complete = invocation.environment_for(program, environment)
    return complete["PATH"], find_executable(named, complete) or named  # the engine refuses a relative path


def _argv(built: Invocation, info: ProviderInfo, program: Program) -> list[str]:
    """Return the argv with the program's command instead of its name."""
    argv = list(built.argv)
    if info.executable in argv:  # with a wrapper (a container, a sandbox) the program's name is not the first element
        at = argv.index(info.executable)
        argv[at : at + 1] = program.command
    return argv
