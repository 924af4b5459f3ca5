"""The surroundings of one verified program: private folders, a model service, a recording proxy, and a gateway that asks it.

The gateway is the real one, with this provider's plugin alone: its argv, its reader and its failure rules are what is verified.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import anyio

from llm_gateway import (
    CallContext,
    GatewayApi,
    GatewayError,
    Loopback,
    PluginHost,
    ProviderInfo,
    find_plugins,
    open_gateway,
)
from llm_gateway_extension_verify import mcp_server
from llm_gateway_extension_verify.loopback.app import ModelServer
from llm_gateway_extension_verify.mcp_server import WORD
from llm_gateway_extension_verify.toml import toml_value
from llm_gateway_extension_verify.wall import RecordingProxy

#: No run of a check may take longer, in seconds. A check that starts several runs takes a multiple.
RUN_S = 60.0
_END_S = 20.0
#: The name of the MCP server that the settings contain, and of the file in which it notes what it was asked.
MCP_SERVER = "verify"
MCP_WORD = "word-8264"
_SERVER = Path(mcp_server.__file__)
#: What is inherited of the environment of `llm-gateway verify`. Everything else is made here.
SHAPE = "shape.json"
INHERITED = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "PYTHONPATH")


@dataclass(frozen=True, kw_only=True)
class Program:
    """The program that is verified."""

    provider: str  #: the provider's name
    variant: str = ""
    path: str  #: absolute


@dataclass(frozen=True, kw_only=True)
class Services:
    """What programs can reach."""

    model: ModelServer
    url: str  #: the model service's address
    proxy: RecordingProxy
    proxy_url: str


@dataclass(kw_only=True)
class Surroundings:
    """One program, ready to be asked."""

    program: Program
    root: Path  #: private and empty at first; everything that is written is below it
    environ: Mapping[str, str]  #: the gateway's
    loopback: Loopback
    services: Services
    plugin: object = None  #: the provider's plugin, if no entry point names it
    settings: str = ""  #: more lines of the gateway's settings file
    gateway: GatewayApi = field(init=False)
    #: What a check has found and another one needs, by name.
    found: dict[str, Any] = field(default_factory=dict)

    @property
    def info(self) -> ProviderInfo:
        """What the plugin says of the program."""
        return self.gateway.providers[self.program.provider].of(self.program.variant)

    @property
    def home(self) -> Path:
        """The program's home directory."""
        return self.root / "home"

    @property
    def shape_file(self) -> str:
        """The file with the recorded shape of the output: `shape.json` beside the plugin's first module."""
        if self.plugin is not None:
            return str(Path(getattr(self.plugin, "__file__", "")).with_name(SHAPE))
        (value,) = (
            record.entry_point.value
            for record in self.gateway.host.records
            if record.key == f"provider:{self.program.provider}" and record.entry_point
        )
        found = find_spec(value.partition(":")[0].partition(".")[0])
        return str(Path((found and found.origin) or "").with_name(SHAPE))

    def folder(self, name: str) -> Path:
        """Create and return a new folder, such as a working directory."""
        path = self.root / name
        path.mkdir(mode=0o700, exist_ok=True)
        return path

    async def ask(self, prompt: str, **arguments: Any) -> dict[str, Any]:
        """Send a request and wait for its end. Returns the answer as a caller sees it; a refusal is `{"error": {...}}`."""
        arguments.setdefault("workingDir", str(self.root / "work"))
        if "mcpServers" in self.info.supports:
            arguments.setdefault("mcpServers", [])
        arguments.setdefault("forceRefresh", True)
        arguments.setdefault("timeoutMs", int(RUN_S * 1000))
        name = f"{self.program.provider}_request"
        try:
            result = await self.gateway.call(name, {"prompt": prompt, **arguments}, CallContext())
        except GatewayError as error:
            return {"status": "refused", "error": error.to_wire()}
        return result.model_dump(mode="json", by_alias=True, exclude_none=True)

    @contextmanager
    def seen(self) -> Iterator[list[dict[str, Any]]]:
        """After the block, the list contains what the model service was asked in it; a body is under `body`, as text."""
        entries: list[dict[str, Any]] = []
        before = self.services.model.asked
        try:
            yield entries
        finally:
            entries += [entry for entry in self.services.model.entries() if entry["n"] > before]

    @asynccontextmanager
    async def changed(
        self, name: str, *, key: str | None = "", service: str = "", **environ: str
    ) -> AsyncIterator[Surroundings]:
        """The same program with another account, another service or more variables: a second gateway with a home of its own.

        :param name: names its folder.
        :param key: the account's key; None: there is none; "": the same.
        :param service: the address of the service; "": the same.
        """
        async with surroundings(
            self.program,
            self.folder(name),
            self.services,
            key=key,
            pointed_at=service,
            plugin=self.plugin,
            more=environ,
        ) as other:
            yield other
        # The plugin's settings belong to its module, so the second gateway has replaced them.
        settings = self.gateway.settings
        self.gateway.host.configure(settings.plugins, settings.provider_options)
        os.environ.update(self.environ)


@asynccontextmanager
async def surroundings(
    program: Program,
    root: Path,
    services: Services,
    *,
    key: str | None = "",
    pointed_at: str = "",
    plugin: object = None,
    more: Mapping[str, str] | None = None,
    settings: str = "",
) -> AsyncIterator[Surroundings]:
    """Create the folders and open a gateway. Raises LookupError if the plugin has no `gateway_loopback`."""
    for name in ("home", "gateway", "work", "tmp"):
        (root / name).mkdir(mode=0o700)
    added = [("provider", program.provider, plugin)] if plugin else []
    loopback = _loopback(program, pointed_at or services.url, root / "home", added)
    environ = _environ(loopback, root, services.proxy_url, f"verify-{secrets.token_hex(8)}" if key == "" else key)
    environ |= more or {}
    environ["LLM_GATEWAY_PLUGINS"] = "" if plugin else f"provider:{program.provider}"
    for name, content in loopback.files.items():
        path = root / "home" / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_bytes(content)
    (root / "gateway" / "config.toml").write_text(_settings(program, loopback, root) + settings, "utf-8")
    made = Surroundings(
        program=program,
        root=root,
        environ=environ,
        loopback=loopback,
        services=services,
        plugin=plugin,
        settings=settings,
    )
    with _as_environment(environ):  # the hooks of a plugin read the environment of their process
        async with open_gateway(environ, find_plugins(environ, added)) as gateway:
            made.gateway = gateway
            try:
                yield made
            finally:
                with anyio.CancelScope(shield=True):
                    await _end_all(gateway)


async def _end_all(gateway: GatewayApi) -> None:
    """End what still runs: a run survives its gateway."""
    for job in await gateway.store.unfinished():
        await gateway.jobs.cancel(job)
        await gateway.jobs.wait([job.id], until_all=True, timeout_s=_END_S)


def _loopback(program: Program, url: str, home: Path, added: list[tuple[str, str, object]]) -> Loopback:
    host = PluginHost.discover({})
    if added:
        host.register(added[0][2], kind="provider", name=program.provider)
    else:
        host.load(("provider",), (program.provider,))
    made = host.loopback(program.provider, service=url, folder=str(home), variant=program.variant)
    if made is None:
        raise LookupError(f"the plugin of {program.provider} does not say how it is pointed at a model service")
    return made


def _environ(loopback: Loopback, root: Path, proxy_url: str, key: str | None) -> dict[str, str]:
    """Return the gateway's whole environment. Nothing of the user's accounts is in it."""
    environ = {name: os.environ[name] for name in INHERITED if os.environ.get(name)}
    environ |= {
        "HOME": str(root / "home"),
        "TMPDIR": str(root / "tmp"),
        "LLM_GATEWAY_HOME": str(root / "gateway"),
        "LLM_GATEWAY_APPROVAL_ALLOW_BYPASS": "1",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        environ[name] = environ[name.upper()] = proxy_url
    environ |= loopback.env
    if loopback.key and key is not None:
        environ[loopback.key] = key
    return environ


def _settings(program: Program, loopback: Loopback, root: Path) -> str:
    """Return the gateway's settings file."""
    own = {"executable": program.path, **loopback.settings}
    if loopback.offline:
        own["env"] = {**loopback.settings.get("env", {}), **loopback.offline}
    lines = [f"{name} = {toml_value(value)}" for name, value in own.items()]
    server = {"command": sys.executable, "args": ["-I", str(_SERVER), str(root / MCP_SERVER)], "env": {WORD: MCP_WORD}}
    servers = [f"[mcp_servers.{MCP_SERVER}]", *(f"{name} = {toml_value(value)}" for name, value in server.items())]
    own_lines = [f"[providers.{program.provider}]", *lines]
    return "\n".join(["dedup_window_s = 0", "", *own_lines, "", *servers, ""])


@contextmanager
def _as_environment(environ: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@asynccontextmanager
async def start_services() -> AsyncIterator[Services]:
    """Start a model service and a recording proxy."""
    model, proxy = ModelServer(), RecordingProxy()
    listening = [await model.start(), await proxy.start()]
    try:
        urls = [f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in listening]
        yield Services(model=model, url=urls[0], proxy=proxy, proxy_url=urls[1])
    finally:
        for server in listening:
            server.close()
