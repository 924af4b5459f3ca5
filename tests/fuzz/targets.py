"""What is fuzzed: a target takes any bytes and raises when a promise is broken; its seeds are what is usual."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache, partial
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

from mcp import types

from llm_gateway import EndReason, FinishedRun, PluginHost, Prompt, Request, Resume, RunEnd, Summary, find_plugins
from llm_gateway.model.lines import LineSplitter
from llm_gateway.settings import SettingsError, load_settings
from llm_gateway_extension_connect.jsonc import JsonMap
from llm_gateway_transport_mcp.usual import parse_usual

ROOT = Path(__file__).parents[2]
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)
READERS = ("claude", "codex", "echo", "gemini", "agy", "grok", "mistral")
MOST = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Target:
    """One thing that is fed."""

    feed: Callable[[bytes], None]
    seeds: Callable[[], Iterator[bytes]]


@cache
def host(provider: str) -> PluginHost:
    environ = {"LLM_GATEWAY_PLUGINS": "", "LLM_GATEWAY_HOME": "/nonexistent", "HOME": "/nonexistent"}
    plugin = import_module(f"llm_gateway_provider_{provider}.plugin")
    found, _ = find_plugins(environ, [("provider", provider, plugin)])
    return found


def read(reader: str, data: bytes) -> None:
    """The first bytes say where the rest is cut, how the run ended, and where stderr begins. No cut changes what is understood."""
    cuts, code, share, output = data[:4], data[4:5], data[5:6], data[6:]
    stdout = output[: len(output) * (share[0] if share else 255) // 255]
    stderr = output[len(stdout) :]
    places = sorted(len(stdout) * cut // 255 for cut in cuts)
    whole, pieces = (understand(reader, stdout, stderr, code[0] if code else 0, found) for found in ([], places))
    assert whole == pieces, f"cut at {places} it is another: {whole} {pieces}"


def understand(reader: str, stdout: bytes, stderr: bytes, code: int, places: list[int]) -> tuple[Summary, object]:
    """As the kernel asks: events, summary, failure."""
    provider = "gemini" if reader == "agy" else reader
    plugins = host(provider)
    variant = reader if provider == "gemini" else ""
    options = plugins.providers[provider].of(variant).options_model()
    request = Request(provider=provider, prompt=Prompt(text="hello"), options=options, working_dir="/", variant=variant)
    end = RunEnd(reason=EndReason.EXITED, exit_code=code, ended_at=NOON, stdout_bytes=len(stdout))
    opened = plugins.open_reader(provider, request)
    for start, stop in pairwise([0, *places, len(stdout)]):
        list(opened.feed("stdout", stdout[start:stop]))
    list(opened.feed("stderr", stderr))
    summary = opened.finish(end)
    run = FinishedRun(
        request=request,
        posture=plugins.providers[provider].default_posture,
        resume=Resume(),
        end=end,
        summary=summary,
        stderr_tail=stderr[-8192:].decode(errors="replace"),
    )
    return summary, plugins.explain_failure(provider, run)


def recordings(reader: str) -> Iterator[bytes]:
    folder = ROOT / "providers" / reader / "tests/samples"
    for path in sorted(folder.rglob("*.stdout")):
        stdout = path.read_bytes()[:MOST]
        beside = path.with_suffix(".stderr")
        stderr = beside.read_bytes()[:4096] if beside.exists() else b""
        share = 255 * len(stdout) // max(1, len(stdout) + len(stderr))
        yield bytes([10, 60, 128, 250, 1, share]) + stdout + stderr
    yield bytes(6)


def frame(data: bytes) -> None:
    """What the handshake cache would answer by itself, the SDK takes for the same message; and lines are lines wherever they are cut."""
    half = len(data) // 2
    whole, cut = LineSplitter(1 << 10), LineSplitter(1 << 10)
    lines = [*whole.feed(data), whole.rest()]
    assert lines == [*cut.feed(data[:half]), *cut.feed(data[half:]), cut.rest()]
    for line in data.split(b"\n"):
        if (said := parse_usual(line)) is None:
            continue
        message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
        method, request_id, _ = said
        assert getattr(message, "method", None) == method
        assert getattr(message, "id", None) == request_id


def frames() -> Iterator[bytes]:
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "fuzz", "version": "0"}}
    for number, (method, params) in enumerate(
        [
            ("initialize", hello),
            ("ping", {}),
            ("tools/list", {}),
            ("tools/call", {"name": "x", "arguments": {"a": [1]}}),
        ]
    ):
        yield json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode()
    yield b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n{"jsonrpc":"2.0","id":"a","method":"ping"}\n'


def settings(data: bytes) -> None:
    """Settings, or a refusal that says why."""
    with tempfile.TemporaryDirectory() as home:
        Path(home, "config.toml").write_bytes(data)
        with suppress(SettingsError):
            load_settings({"LLM_GATEWAY_HOME": home}, host("echo").settings_sections())


def some_settings() -> Iterator[bytes]:
    yield b'sync_deadline_s = 3.5\n[limits]\nrunning = 4\n[providers.echo]\nenv = {A = "b"}\nenv_pass = ["X"]\n'
    yield b'[mcp_servers.search]\ncommand = "x"\nargs = ["-y"]\n[jobs]\nretention_days = 1\nkeep_output = "until_fetched"\n'


def jsonc(data: bytes) -> None:
    """A client's settings are refused, or take an entry and give it back, and nothing else in them changes."""
    ours = JsonMap(key="mcpServers", name="llm-gateway")
    entry = {"command": "llm-gateway", "args": ["serve"]}
    with suppress(ValueError):  # that they cannot be read, or not be added to safely
        text = data.decode()
        if ours.find(text) is None:
            after = ours.add(text, entry)
            assert ours.find(after) == entry
            assert ours.find(ours.remove(after)) is None


def some_jsonc() -> Iterator[bytes]:
    yield b'{\n  // mine\n  "mcpServers": {"a": {"command": "x",}, /* last */ },\n  "b": [1, 2.5e3, null, "\\u00e9"],\n}\n'
    yield b'\xef\xbb\xbf{"a": {}}\r\n'
    yield b'{"a":' * 5000


TARGETS = MappingProxyType(
    {
        **{f"read-{name}": Target(feed=partial(read, name), seeds=partial(recordings, name)) for name in READERS},
        "frame": Target(feed=frame, seeds=frames),
        "settings": Target(feed=settings, seeds=some_settings),
        "jsonc": Target(feed=jsonc, seeds=some_jsonc),
    }
)
