"""The program starts, and what the gateway runs to inspect it stays off the network."""

from __future__ import annotations

from llm_gateway import judge_version, look_at_provider, run_briefly
from llm_gateway_extension_verify.checks.check import Check, Differs
from llm_gateway_extension_verify.surroundings import Surroundings

PROBE_S = 30.0


async def starts(around: Surroundings) -> None:
    """It prints a version."""
    report = await look_at_provider(around.info, around.gateway.settings, around.environ, anew=True)
    if not report.get(
        "version"
    ):  # the first start of a program on a busy machine can take longer than the gateway waits
        report = await look_at_provider(around.info, around.gateway.settings, around.environ, anew=True)
    if not report.get("version"):
        raise Differs(str(report.get("problem", "it prints no version")))
    around.found["version"] = report["version"]
    around.found["judged"] = judge_version(around.info, report["version"])


async def probes_quiet(around: Surroundings) -> None:
    """The commands that look at the version and the login open no connection."""
    before = len(around.services.proxy.asked)
    with around.seen() as asked:
        # The gateway's own probe of the version gets no proxy. With one, an attempt is seen.
        await run_briefly([around.program.path, *around.info.version_argv], around.environ, timeout_s=PROBE_S)
        await look_at_provider(around.info, around.gateway.settings, around.environ, anew=True)
    reached = [f"{entry['method']} {entry['path']}" for entry in asked] + around.services.proxy.asked[before:]
    if reached:
        raise Differs(f"looking at version and login opened connections: {', '.join(sorted(set(reached)))}")


CHECKS = [
    Check(id="starts", summary="It starts and prints its version.", run=starts, quick=True),
    Check(
        id="probes-quiet",
        summary="Looking at its version and login opens no connection.",
        run=probes_quiet,
        quick=True,
    ),
]
