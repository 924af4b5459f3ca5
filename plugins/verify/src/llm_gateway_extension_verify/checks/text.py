"""The options that the plugin uses are in `--help`, and the output has the form that the plugin was written for."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import anyio

from llm_gateway import GatewayError, Posture, Prompt, Request, Resume, new_session_id, owned
from llm_gateway.files import read_regular
from llm_gateway_extension_verify.checks.check import Check, Differs, Skipped, completed, tool_line
from llm_gateway_extension_verify.surroundings import Surroundings

HELP_S = 30.0
_FLAG = re.compile(r"--?[A-Za-z][A-Za-z0-9-]*")
#: A value for each common parameter that a plugin may turn into an option.
_ASKED: dict[str, dict[str, Any]] = {
    "addDirs": {"add_dirs": ("/",)},
    "allowedTools": {"allowed_tools": ("Read",)},
    "disallowedTools": {"disallowed_tools": ("Write",)},
    "maxTurns": {"max_turns": 3},
    "maxBudgetUsd": {"max_budget_usd": 0.5},
    "effort": {"effort": "high"},
    "outputSchema": {"output_schema": {"type": "object", "properties": {}, "additionalProperties": False}},
}
_MOST_BYTES = 4 << 20


async def knows_its_options(around: Surroundings) -> None:
    """Compare the options of every command that the plugin builds with the program's help."""
    missing: dict[str, str] = {}
    helps: dict[tuple[str, ...], str] = {}
    for argv in _commands(around):
        if argv[0] != around.info.executable:  # another program, which starts this one
            continue
        words = _leading_words(argv)
        if words not in helps:
            helps[words] = await _help(around, words)
        for flag in filter(None, map(_flag_of, argv[1 + len(words) :])):
            if f"flags:{flag}" not in around.loopback.differs and not re.search(
                rf"(?<![\w-]){re.escape(flag)}(?![\w-])", helps[words]
            ):
                missing[flag] = " ".join((*words, "--help"))
    if missing:
        raise Differs("; ".join(f"{flag} is not in `{where}`" for flag, where in sorted(missing.items())))


def _commands(around: Surroundings) -> Iterator[tuple[str, ...]]:
    """Yield the command of each posture, of a continued conversation and of each common parameter."""
    info, host = around.info, around.gateway.host
    plain = Request(
        provider=info.name,
        prompt=Prompt(text="hello"),
        options=info.options_model(),
        working_dir=str(around.root / "work"),
        variant=info.variant,
    )
    fresh = host.resume_session(info.name, plain, None)
    known = str(fresh.native_id or new_session_id())
    default = info.default_posture
    tried: list[tuple[Request, Posture, Resume]] = [(plain, posture, fresh) for posture in info.postures]
    tried.append((plain, default, Resume(native_id=known, fresh=False)))  # type: ignore[arg-type]  # any id
    tried += [(replace(plain, **_ASKED[name]), default, fresh) for name in info.supports if name in _ASKED]
    for request, posture, resume in tried:
        with suppress(GatewayError):  # the value is not one of this program's, or this machine cannot hold the posture
            yield host.build_argv(info.name, request, posture, resume).argv


def _leading_words(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return the subcommands: the words before the first option."""
    words = []
    for part in argv[1:]:
        if not re.fullmatch(r"[a-z][a-z-]*", part):
            break
        words.append(part)
    return tuple(words)


def _flag_of(part: str) -> str:
    match = _FLAG.match(part)
    return match[0] if match and (match.end() == len(part) or part[match.end()] == "=") else ""


async def _help(around: Surroundings, words: tuple[str, ...]) -> str:
    """Return the help of a subcommand, with that of the commands above it: their options are valid in it."""
    texts = []
    for length in range(len(words) + 1):
        command = [around.program.path, *words[:length], "--help"]
        with owned(around.environ) as env, anyio.fail_after(HELP_S):
            done = await anyio.run_process(
                command, check=False, stderr=subprocess.STDOUT, env=env, cwd=str(around.root / "work")
            )
        text = done.stdout.decode("utf-8", "replace")
        if done.returncode != 0:
            raise Differs(f"`{' '.join(command[1:])}` failed with exit code {done.returncode}: {text[-200:]}")
        texts.append(text)
    return "\n".join(texts)


async def has_its_shape(around: Surroundings) -> None:
    """Compare the keys in the output of a turn with a tool call with those that were recorded."""
    recorded = _recorded(around)
    if recorded is None:
        raise Skipped("no shape was recorded for this provider")
    seen = shape_of(await output_of_a_turn(around))
    lost, new = sorted(recorded - seen), sorted(seen - recorded)
    if lost:
        more = f"; new: {', '.join(new)}" if new else ""
        raise Differs(f"lost in the output: {', '.join(lost)}{more}")


async def output_of_a_turn(around: Surroundings) -> bytes:
    """Return what the program prints in one turn that calls a tool."""
    work = around.folder("shaped")
    write = around.loopback.write
    prompt = tool_line(write(str(work / "made.txt"), "made")) if write else "SAY:shaped"
    answer = completed(await around.ask(prompt, workingDir=str(work), posture=around.info.postures[-1].value))
    path = around.root / "gateway" / "jobs" / answer["jobId"] / "stdout"
    return read_regular(path, most_bytes=_MOST_BYTES)


def shape_of(output: bytes) -> set[str]:
    """Return the key paths of JSON output: `type=result.usage.input_tokens`. A key that contains digits becomes `*`. Pure."""
    return {path for value in _values(output) for path in _paths(value, f"type={value.get('type')}")}


def _values(output: bytes) -> Iterator[dict[str, Any]]:
    """Yield the objects of the output: one JSON value, or one on each line."""
    for text in (output, *output.splitlines()):
        try:
            value = json.loads(text)
        except ValueError:
            continue
        yield from (item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict))
        if text is output:
            return


def _paths(value: Any, prefix: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            name = "*" if re.search(r"\d", key) else key
            yield f"{prefix}.{name}"
            yield from _paths(item, f"{prefix}.{name}")
    elif isinstance(value, list):
        for item in value:
            yield from _paths(item, f"{prefix}[]")


def _recorded(around: Surroundings) -> set[str] | None:
    try:
        stored = json.loads(read_regular(around.shape_file, most_bytes=_MOST_BYTES, follow=True))
    except OSError:
        return None
    return set(stored["paths"])


CHECKS = [
    Check(id="flags", summary="Every option that the plugin uses is in the program's help.", run=knows_its_options),
    Check(id="shape", summary="The output has the keys that were recorded.", run=has_its_shape),
]
