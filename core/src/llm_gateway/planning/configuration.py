"""Step 4: what of the user's and the project's own configuration of a CLI applies to a run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from llm_gateway.errors import GatewayError, InvalidRequest, ProviderFailed
from llm_gateway.model.configuration import NO_CONFIG, ConfigChoice, ConfigSource, OwnConfig
from llm_gateway.model.invocation import Notice
from llm_gateway.model.provider import ProviderInfo
from llm_gateway.model.request import McpServer, Request
from llm_gateway.planning.invocation import RunEnvironments
from llm_gateway.planning.servers import independent
from llm_gateway.planning.surroundings import BoundedThreads
from llm_gateway.programs import starts_gateway
from llm_gateway.trust import TrustError, trusted_root
from llm_gateway.version_managers import ShimError

if TYPE_CHECKING:
    from llm_gateway.settings import Settings

#: How long reading may take, in seconds: the working directory may be on a file system that does not answer.
_READ_S = 10.0
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class ConfigReader:
    """Has the providers read what applies to a request."""

    def __init__(self, settings: Settings, environ: Mapping[str, str], threads: BoundedThreads) -> None:
        self._settings = settings
        self._threads = threads
        self._environments = RunEnvironments(settings, environ)

    async def read(self, info: ProviderInfo, request: Request) -> OwnConfig:
        """Return what applies. Raises InvalidRequest if a file of the user's configuration cannot be read, and ProviderFailed."""
        if info.read_config is None:
            return NO_CONFIG
        found: list[OwnConfig] = []

        def read() -> GatewayError | None:
            try:
                found.append(self.read_now(info, request.working_dir, instructions=request.instructions))
            except GatewayError as error:
                return error
            return None

        problem = await self._threads.run(f"configuration {request.working_dir}", _READ_S, read)
        if problem is not None:
            raise problem
        if not found:  # a run without it could use another account or another service
            raise InvalidRequest(
                f"the configuration of {info.title} for {request.working_dir} could not be read within {_READ_S:.0f} s",
                recovery="Check that the file system of the working directory and of the home answers.",
            )
        return found[0]

    def read_now(self, info: ProviderInfo, working_dir: str, *, instructions: bool = True) -> OwnConfig:
        """Like `read`. Blocking.

        :param working_dir: empty: only what the user has in the home.
        """
        if info.read_config is None:
            return NO_CONFIG
        section = self._settings.provider(info.name)
        trusted, notices = "", []
        source = section.config
        if source is ConfigSource.PROJECT and working_dir:
            trusted, problem = self._trusted(os.path.realpath(working_dir))
            if not trusted:
                source = ConfigSource.USER
                notices.append(_not_trusted(working_dir, problem))
        choice = ConfigChoice(
            environ=self._environments.of(info, {}, depth=0),
            working_dir=working_dir,
            repository=repository_of(working_dir),
            source=source,
            trusted=trusted,
            instructions=section.instructions and instructions,
            user_hooks=section.user_hooks,
            user_mcp_servers=section.user_mcp_servers,
        )
        try:
            read = info.read_config(choice)
            if not isinstance(read, OwnConfig):
                raise TypeError(f"read_config answered {type(read).__name__}, not OwnConfig")
        except GatewayError:
            raise
        except Exception as error:
            raise ProviderFailed(f"the plugin of {info.name} failed to read the configuration: {error}") from error
        return replace(
            read,
            choice=choice,
            env={name: value for name, value in read.env.items() if _may_set(name, value)},
            mcp_servers=tuple(_startable(read.mcp_servers, choice.environ)),
            notices=(*notices, *read.notices),
        )

    def _trusted(self, directory: str) -> tuple[str, str]:
        """Return the trusted directory that contains this one, or an empty string and the problem."""
        try:
            return trusted_root(self._settings.home, directory), ""
        except TrustError as error:
            return "", str(error)


def repository_of(directory: str) -> str:
    """Return the top of a directory's repository, links resolved; without a repository, the directory itself. Blocking.

    The nearest directory with a `.git` counts, whatever it is: nothing in it is read.
    """
    if not directory:
        return ""
    own = here = os.path.realpath(directory)
    while not os.path.lexists(os.path.join(here, ".git")):
        above = os.path.dirname(here)
        if above == here:
            return own
        here = above
    return here


def _may_set(name: str, value: object) -> bool:
    """Return whether settings of a CLI may set this variable of a run."""
    if not _VARIABLE.fullmatch(name) or name == "HOME" or name.startswith("LLM_GATEWAY_"):
        return False
    return isinstance(value, str) and "\0" not in value


def _startable(found: Iterable[McpServer], environ: Mapping[str, str]) -> Iterator[McpServer]:
    """Yield the servers of the user's settings that may start, without this gateway, which would call itself. Blocking."""
    for server in found:
        if server.url:
            yield server
        elif not starts_gateway(server.command, server.args):
            with suppress(ShimError):  # the program cannot be found outside of the repository
                yield independent(server, environ)


def _not_trusted(working_dir: str, problem: str) -> Notice:
    return Notice(
        code="project_not_trusted",
        message=problem
        or f"The project's settings were not used: {working_dir} is not trusted. To trust it, run "
        f"`llm-gateway trust add {working_dir}` in a terminal.",
    )
