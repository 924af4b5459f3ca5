"""Our own server: how a client starts it, and whether it answers when it is started so."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream

from llm_gateway import config_file, gateway_command, home_directory, owned, user_home
from llm_gateway.programs import starts_gateway

#: Where the gateway's home and its settings lie: the server must find the same as this command.
_OURS = {"LLM_GATEWAY_HOME": home_directory, "LLM_GATEWAY_CONFIG": config_file}
#: What even the thriftiest client gives its servers.
_GIVEN = ("HOME", "PATH", "LANG", "LC_ALL", "TERM", "TMPDIR", "USER", "LOGNAME", "SHELL", "SYSTEMROOT", "TEMP", "TMP")
_ANSWER_S = 90.0
_LINE_BYTES = 16 << 20


class DoesNotAnswer(Exception):
    """The server was started and did not answer as it should; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """How to start it."""

    command: str
    args: tuple[str, ...]
    env: Mapping[str, str]  #: values, none of them secret
    passed: tuple[str, ...] = ()  #: names whose values the client shall hand on


def our_server(environ: Mapping[str, str], wanted: Iterable[str]) -> Server:
    """This installation, by its absolute path: a client's PATH is seldom the terminal's.

    :param wanted: names and patterns of environment variables that the providers may see.
    """
    patterns = sorted(set(wanted))
    passed = sorted(name for name in environ if any(fnmatchcase(name, pattern) for pattern in patterns))
    env = {name: place(environ) for name, place in _OURS.items() if environ.get(name)}
    command, *args = gateway_command()
    return Server(command=command, args=(*args, "serve"), env=env, passed=tuple(passed))


def is_ours(entry: Mapping[str, Any]) -> bool:
    """Whether this entry starts an LLM Gateway, whichever program wrote it."""
    args = entry.get("args")
    command = str(entry.get("command", ""))
    words = [str(word) for word in args] if isinstance(args, list) else []
    serves = "serve" in words or "llm-gateway-mcp" in [Path(command).name, *words]
    return serves and starts_gateway(command, words)


async def check(entry: Mapping[str, Any], environ: Mapping[str, str]) -> int:
    """Start the server as this entry says, say hello, count its tools, let it go. Raises DoesNotAnswer."""
    argv = [str(entry["command"]), *map(str, entry.get("args", ()))]
    given = (*_GIVEN, *entry.get("env_vars", ()))
    env = {name: environ[name] for name in given if name in environ} | dict(entry.get("env") or {})
    with owned(env, search=False) as variables, anyio.move_on_after(_ANSWER_S):
        try:
            process = await anyio.open_process(argv, env=variables, cwd=user_home(environ, "/"), start_new_session=True)
        except OSError as problem:
            raise DoesNotAnswer(f"{argv[0]} cannot be started: {problem.strerror or problem}") from problem
        async with process:
            said: list[bytes] = []
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_drain, process, said)
                found = await _talk(process)
                tasks.cancel_scope.cancel() if found is not None else None
        if found is None:
            last = b"".join(said).decode(errors="replace").strip().splitlines()[-6:]
            raise DoesNotAnswer("\n".join(last) or f"it ended with {process.returncode} and said nothing")
        return found
    raise DoesNotAnswer(f"it did not answer within {_ANSWER_S:.0f} s")


async def _drain(process: anyio.abc.Process, said: list[bytes]) -> None:
    assert process.stderr
    async for data in process.stderr:
        said[:] = [*said, data][-16:]


async def _talk(process: anyio.abc.Process) -> int | None:
    """The number of tools; None when the server went away."""
    assert process.stdin
    assert process.stdout
    hello = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "llm-gateway connect", "version": "1"},
    }
    questions = (
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}},
    )
    lines = BufferedByteReceiveStream(process.stdout)
    try:
        for question in questions:
            await process.stdin.send(json.dumps(question).encode() + b"\n")
            while "id" in question:
                answer = json.loads(await lines.receive_until(b"\n", _LINE_BYTES))
                if answer.get("id") == question["id"]:
                    if "error" in answer:
                        raise DoesNotAnswer(f"{question['method']}: {answer['error'].get('message')}")
                    break
        await process.stdin.aclose()
        return len(answer["result"]["tools"])
    except (anyio.IncompleteRead, anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
        return None
    except ValueError as problem:
        raise DoesNotAnswer(f"what it says is not MCP: {problem}") from problem


def prime(entry: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    """Let the installation prepare its next start. What goes wrong here only makes that one slower."""
    argv = [str(entry["command"]), *map(str, entry.get("args", ())), "--prime"]
    quiet = subprocess.DEVNULL
    try:
        with owned({**environ, **(entry.get("env") or {})}) as env:
            subprocess.run(argv, env=env, stdin=quiet, stdout=quiet, stderr=quiet, timeout=_ANSWER_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return
