"""Failure rules as data: a provider lists the messages that only its CLI prints. The rules for all other messages are shared.

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

The reader puts its facts into `Summary.failure`: `message`, `status`, `kinds`, `reset_at`, `ended`, `started` (see `Summary`).
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
    """Return the failure of a run: first by the provider's rules, then by the shared rules, then by the remaining facts.

    If a signal ended the run and its output reports no failure, the code is `interrupted`. A waiting time in the messages
    becomes `reset_at`. The failure always has a recovery.

    :param program: the name of the CLI, as it is written at the beginning of a sentence.
    :param recoveries: code -> what a user of this CLI can do, such as its login command. Used for rules, shared ones
        included, that have no recovery.
    """
    all_rules = [
        replace(rule, recovery=rule.recovery or recoveries.get(rule.code)) for rule in (*rules, *COMMON_FAILURES)
    ]
    return named_failure(failure_facts(run), all_rules, program)
