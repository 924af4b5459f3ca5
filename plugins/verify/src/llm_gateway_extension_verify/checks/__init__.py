"""The checks. Each is a function of the surroundings that raises `Differs`; its id is stable."""

from __future__ import annotations

from llm_gateway import ProviderInfo
from llm_gateway_extension_verify.checks import conversation, failures, own, postures, project, running, starting, text
from llm_gateway_extension_verify.checks.check import Breach, Check, Differs, Skipped

__all__ = ["Breach", "Check", "Differs", "Skipped", "checks_of", "wanted"]


def checks_of(info: ProviderInfo) -> list[Check]:
    """Return every check for a program, in the order in which they are made."""
    return [
        *starting.CHECKS,
        *conversation.CHECKS,
        *postures.checks(info),
        *project.CHECKS,
        *own.CHECKS,
        *failures.CHECKS,
        *running.CHECKS,
        *text.CHECKS,
    ]


def wanted(checks: list[Check], *, quick: bool, only: list[str]) -> list[Check]:
    """Select checks. `only`: ids, or beginnings of ids with `*` at the end; a check that others need is added.

    Raises LookupError for an id that no check has.
    """
    for pattern in only:
        if not any(_matches(check.id, pattern) for check in checks):
            raise LookupError(pattern)
    if only:
        return [check for check in checks if any(_matches(check.id, pattern) for pattern in only)]
    return [check for check in checks if check.quick or not quick]


def _matches(check_id: str, pattern: str) -> bool:
    return check_id.startswith(pattern[:-1]) if pattern.endswith("*") else check_id == pattern
