"""No posture permits more than it says, seen on disk; and none permits less."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from pathlib import Path

from llm_gateway import Loopback, Posture, ProviderInfo
from llm_gateway_extension_verify.checks.check import Breach, Check, Differs, Skipped, tool_line
from llm_gateway_extension_verify.surroundings import Surroundings

#: Codes of a request that this machine or the operator does not permit: nothing was started.
_NOT_HERE = ("invalid_request", "approval_denied")


def permitted(posture: Posture) -> dict[str, bool]:
    """Return what a level permits: a write in the working directory and outside of it, by a tool and by a command."""
    everywhere = posture is Posture.BYPASS
    return {
        "write inside": posture >= Posture.ACCEPT_EDITS,
        "write outside": everywhere,
        "command inside": posture >= Posture.WORKSPACE_WRITE,
        "command outside": everywhere,
    }


async def keeps(posture: Posture, around: Surroundings) -> None:
    """Let the model try everything that a level decides about, and look at the disk."""
    root = around.folder(f"posture-{posture.value}")
    inside, outside = root / "inside", root / "outside"
    inside.mkdir()
    outside.mkdir()
    calls = _calls(around.loopback, inside, outside)
    tried = await _try_all(around, posture, inside, calls)
    made = {name for name, (path, _) in calls.items() if path.exists()}
    allowed = permitted(posture)
    too_much = [name for name in calls if name in made and not allowed[name]]
    if too_much:
        raise Breach(f"{posture.value} permitted: {', '.join(too_much)}")
    too_little = [name for name in calls if name not in made and allowed[name]]
    # A tool that writes may stay in the working directory on every level.
    if posture is Posture.BYPASS and "command outside" in made:
        too_little = [name for name in too_little if name != "write outside"]
    if too_little:
        raise Differs(f"{posture.value} did not permit: {', '.join(too_little)} ({tried})")


def _calls(loopback: Loopback, inside: Path, outside: Path) -> dict[str, tuple[Path, str]]:
    """Return what is tried: name -> the file that it creates, and the line of the prompt."""
    calls = {}
    for name, folder in (("inside", inside), ("outside", outside)):
        if loopback.write:
            path = folder / "written.txt"
            calls[f"write {name}"] = (path, tool_line(loopback.write(str(path), "written")))
        if loopback.shell:
            path = folder / "touched.txt"
            # Not `touch`: some programs take it for harmless in the working directory.
            command = shlex.join([sys.executable, "-c", f"open({str(path)!r}, 'w')"])
            calls[f"command {name}"] = (path, tool_line(loopback.shell(command)))
    return calls


async def _try_all(around: Surroundings, posture: Posture, inside: Path, calls: dict[str, tuple[Path, str]]) -> str:
    """Try all calls in one run; those that came after one that ended the run, in further runs. Returns how the last run ended."""
    left = list(calls.values())
    while left:
        with around.seen() as asked:
            prompt = "\n".join(line for _, line in left)
            answer = await around.ask(prompt, posture=posture.value, workingDir=str(inside))
        code = answer.get("error", {}).get("code", "")
        if answer["status"] == "refused" and code in _NOT_HERE:
            raise Skipped(str(answer["error"]["message"]))
        answered = sum("words" in entry for entry in asked)
        if not answered:
            raise Skipped(f"the run ended before the model was asked: {code}: {answer.get('error', {}).get('message')}")
        # The service answers each request with the next call, and the last one with text.
        left = left[min(answered, len(left)) :]
    return f"{answer['status']} {code}".strip()


def _no_tools(info: ProviderInfo, loopback: Loopback) -> str:
    return "" if loopback.write or loopback.shell else "its plugin names no tool that writes"


def checks(info: ProviderInfo) -> list[Check]:
    """Return one check for each level that the plugin declares."""
    return [
        Check(
            id=f"posture:{posture.value}",
            summary=f"`{posture.value}` permits what it says and nothing else, seen on disk.",
            run=partial(keeps, posture),
            unless=_no_tools,
            quick=posture is info.default_posture,
        )
        for posture in info.postures
    ]
