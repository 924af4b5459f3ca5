"""Failures by rules: a provider writes down what only its CLI says, and shares everything else.

    RULES = (
        FailureRule(
            code="session_not_found",
            message="Mine does not know this conversation.",
            before_start=True,
            signs=(Sign(words=r"no conversation found"),),
        ),
    )

    @hookimpl
    def gateway_explain_failure(run):
        return explain(run, RULES, program="Mine")

The reader notes in `Summary.failure` what it read: `message`, `status`, `kinds`, `reset_at`, `ended`, `started` (see `Summary`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from llm_gateway import (
    COMMON_FAILURES,
    Failure,
    FailureFacts,
    FailureRule,
    FinishedRun,
    Sign,
    failure_facts,
    http_status,
    named_failure,
)

__all__ = ["COMMON_FAILURES", "FailureFacts", "FailureRule", "Sign", "explain", "failure_facts", "http_status"]


_NOTHING: Mapping[str, str] = MappingProxyType({})


def explain(
    run: FinishedRun, rules: Sequence[FailureRule], *, program: str, recoveries: Mapping[str, str] = _NOTHING
) -> Failure:
    """The failure of a run: by the provider's own rules, then by the shared ones, then by what is known all the same.

    A run that a signal ended, and whose output tells no failure, is `interrupted`. A waiting time in the words becomes
    `reset_at`. There is always a recovery.

    :param program: the CLI's name, at the beginning of a sentence.
    :param recoveries: code -> what a user of this CLI does about it, such as its own way to log in; for rules, the shared ones
        too, that say nothing of their own.
    """
    known = [replace(rule, recovery=rule.recovery or recoveries.get(rule.code)) for rule in (*rules, *COMMON_FAILURES)]
    return named_failure(failure_facts(run), known, program)
