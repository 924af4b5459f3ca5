"""The process that verifies one program: `python -m llm_gateway_extension_verify.child`.

It reads one line of JSON (`Order`) from standard input and prints one line of JSON for each fact: `{"wall": …}` first, then a
`Result` for each check, and `{"end": true, …}`. `{"problem": …}` says why it could not begin.
"""

from __future__ import annotations

import json
import os
import sys

TYPE_CHECKING = False  # nothing that starts a thread may be imported before the wall is entered
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Say = Callable[[dict[str, Any]], None]


def main() -> int:
    """Enter the wall, then verify."""
    from llm_gateway_extension_verify.wall import NotAsserted, enter_namespace

    order = json.loads(sys.stdin.readline())
    facts = os.dup(1)
    os.dup2(2, 1)  # whatever prints must not mix with the facts

    def say(fact: dict[str, Any]) -> None:
        os.write(facts, json.dumps(fact).encode() + b"\n")

    try:
        say({"wall": enter_namespace()})
    except (NotAsserted, OSError) as error:
        say({"problem": f"the network namespace could not be made: {error}"})
        return 1
    from llm_gateway import run_async

    async def work(_scopes: object) -> int:
        return await _verify(order, say)

    return run_async(work)


async def _verify(order: dict[str, Any], say: Say) -> int:
    from contextlib import suppress
    from pathlib import Path

    from llm_gateway_extension_verify.checks import Differs, checks_of, wanted
    from llm_gateway_extension_verify.checks.starting import starts
    from llm_gateway_extension_verify.checks.text import output_of_a_turn, shape_of
    from llm_gateway_extension_verify.making import make
    from llm_gateway_extension_verify.surroundings import Program, start_services, surroundings

    program = Program(provider=order["provider"], variant=order["variant"], path=order["path"])
    try:
        async with (
            start_services() as services,
            surroundings(program, Path(order["root"]), services) as around,
        ):
            chosen = wanted(checks_of(around.info), quick=order["quick"], only=order["only"])
            async for result in make(around, chosen):
                say(result.to_json())
            if order["record"]:
                output = await output_of_a_turn(around)
                sample = output.decode("utf-8", "replace").replace(order["root"], "/verified")
                say({"shape": sorted(shape_of(output)), "sample": sample})
            if "version" not in around.found:
                with suppress(Differs):
                    await starts(around)
            say(
                {
                    "end": True,
                    "version": around.found.get("version"),
                    "gateway": around.gateway.version,
                    "refused": sorted(set(services.proxy.asked)),
                }
            )
    except LookupError as error:
        say({"problem": str(error)})
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
