"""What `verify` prints. Pure, except for the printing."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from llm_gateway import one_line, say, styled

_SHOWN = {"ok": ("ok", "green"), "skipped": ("skipped", "dim")}
_WALLS = {
    "namespace": "an empty network namespace",
    "proxy": "a proxy that refuses everything (this machine permits no network namespace: what ignores the proxy is not held)",
}
_DETAIL = 600


def summary(checks: Mapping[str, Mapping[str, Any]]) -> str:
    """Return one phrase: `24 of 24`, or how many and which differ."""
    made = {name: check for name, check in checks.items() if check["status"] != "skipped"}
    good = [name for name, check in made.items() if check["status"] == "ok"]
    bad = [name for name in made if name not in good]
    return f"{len(good)} of {len(made)}" + (f"; differs: {', '.join(bad)}" if bad else "")


def show_check(title: str, fact: Mapping[str, Any]) -> None:
    """Print the result of one check, as soon as it is known."""
    status = str(fact["status"])
    word, style = _SHOWN.get(status, (status.upper(), "red"))
    line = f"{title:12}  {fact['check']:24}  {styled(word, style, sys.stdout)}  {fact['seconds']:.1f} s"
    detail = one_line(str(fact["detail"]), _DETAIL)
    say(f"{line}  {detail}" if detail else line)


def show_program(title: str, report: Mapping[str, Any]) -> None:
    """Print the end of one program's report."""
    say("")
    version = report.get("version") or "unknown version"
    if report.get("problem"):
        say(f"{title} {version}: {styled('not verified', 'red', sys.stdout)}: {report['problem']}")
        return
    say(f"{title} {version}: {summary(report['checks'])} in {report['seconds']:.0f} s")
    say(f"  kept from the network by {_WALLS[report['wall']]}")
    if report["refused"]:
        say(f"  it tried to reach: {', '.join(report['refused'])}")
    if report["changed"]:
        say(f"  changed meanwhile, perhaps by a run of yours: {', '.join(report['changed'])}")
    for path in report.get("recorded", ()):
        say(f"  written: {path}")
    if report.get("folder"):
        say(f"  kept: {report['folder']}")


def show_end(reports: Sequence[Mapping[str, Any]], absent: Sequence[str]) -> None:
    """Print what holds for all of them."""
    if absent:
        say(f"\nnot installed: {', '.join(absent)}")
    if reports:
        say("\nVerified against a model service on this machine. This says nothing about your accounts and your quota.")
