"""Make the checks of one program, one after the other."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import anyio

from llm_gateway import Loopback
from llm_gateway_extension_verify.checks import Breach, Check, Differs, Skipped
from llm_gateway_extension_verify.surroundings import Surroundings

#: A check that takes longer is a difference, in seconds. On a quiet machine the longest takes 15 s.
CHECK_S = 240.0

OK = "ok"  #: what the plugin relies on is true
DIFFERS = "differs"  #: it is not; `detail` says what the program did
BREACH = "breach"  #: the program did what a posture or an untrusted project must not permit
SKIPPED = "skipped"  #: not made; `detail` says why
BROKEN = "broken"  #: the check itself failed

_STATUSES: dict[type[Exception], str] = {Differs: DIFFERS, Breach: BREACH, Skipped: SKIPPED}


@dataclass(frozen=True, kw_only=True)
class Result:
    """The result of one check."""

    check: str  #: its id
    status: str  #: one of the above
    detail: str = ""  #: for people
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return asdict(self)


async def make(around: Surroundings, checks: Iterable[Check]) -> AsyncIterator[Result]:
    """Make the checks; yield each result at once."""
    for check in checks:
        began = time.monotonic()
        status, detail = await _make(around, check)
        yield Result(check=check.id, status=status, detail=detail, seconds=round(time.monotonic() - began, 2))


async def _make(around: Surroundings, check: Check) -> tuple[str, str]:
    """Make one check. Returns its status and the detail."""
    reason = why_not(check, around)
    if reason:
        return SKIPPED, reason
    try:
        with anyio.fail_after(CHECK_S):
            await check.run(around)
    except (Differs, Skipped) as finding:
        return _STATUSES[type(finding)], str(finding)
    except TimeoutError:
        return DIFFERS, f"it took longer than {CHECK_S:.0f} s"
    except Exception as error:  # one broken check must not hide the others
        return BROKEN, f"{type(error).__name__}: {error}"
    return OK, ""


def why_not(check: Check, around: Surroundings) -> str:
    """Return why a check does not apply to a program; empty: it does."""
    return _known_difference(check.id, around.loopback) or check.unless(around.info, around.loopback)


def _known_difference(check_id: str, loopback: Loopback) -> str:
    for pattern, reason in loopback.differs.items():
        if check_id == pattern or (pattern.endswith("*") and check_id.startswith(pattern[:-1])):
            return reason
    return ""
