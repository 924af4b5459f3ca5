"""All blocks of findings count, in any usual spelling; one that cannot be read leaves an approval undecided."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_gateway_extension_review.state import APPROVED, NOT_APPROVED, WITH_CONDITIONS
from llm_gateway_extension_review.verdicts import read_review

MARK = "0123456789abcdef"
EMPTY = '```json\n{"findings": []}\n```\n'
GRAVE = '{"findings": [{"severity": "Critical", "title": "It deletes the disk", "line": "12-14"}]}'


@pytest.mark.parametrize("order", [0, 1])
def test_all_blocks_of_findings_count(order: int) -> None:
    blocks = [EMPTY, f"```json\n{GRAVE}\n```\n"]
    found = read_review("".join(reversed(blocks) if order else blocks) + "APPROVED", MARK)
    assert (found.verdict, [(one.severity, one.line) for one in found.findings]) == (
        WITH_CONDITIONS,
        [("critical", 12)],
    )


@pytest.mark.parametrize(
    "other",
    [
        "```json\n{broken\n```\n",
        '```\n{"findings": [oops]}\n```\n',
        '```json\n{"findings": "none"}\n```\n',
        '```json\n{"findings": [1]}\n```\n',
        '```json\n{"findings": [{"severity": "high", "title": "x"}], "findings": []}\n```\n',
        "```JSON\n[[\n```\n",
    ],
)
def test_an_unreadable_block_of_findings_makes_an_approval_undecided(other: str) -> None:
    for text in (EMPTY + other, other + EMPTY):
        found = read_review(f"{text}APPROVED", MARK)
        assert found.verdict is None
        assert found.problem
        assert read_review(f"{text}NOT_APPROVED", MARK).verdict == NOT_APPROVED


def test_json_without_findings_is_ignored() -> None:
    assert read_review(f'```json\n{{"name": "an example"}}\n```\n{EMPTY}APPROVED', MARK).verdict == APPROVED


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (12, 12),
        (12.0, 12),
        ("12", 12),
        ("12-14", 12),
        ("L12", 12),
        ("lines 12–14", 12),
        ("12:5", 12),
        ([12, 14], 12),
        (None, 0),
        (0, 0),
        (-1, 0),
        (12.5, 0),
        (True, 0),
        ("near the top", 0),
        ({}, 0),
        (10**30, 0),
        ("12" * 20, 0),
    ],
)
def test_a_finding_counts_with_any_form_of_its_line(said: Any, line: int) -> None:
    block = json.dumps({"findings": [{"severity": "low", "title": "x", "line": said}]})
    found = read_review(f"```json\n{block}\n```\nAPPROVED", MARK)
    assert (found.verdict, [one.line for one in found.findings]) == (APPROVED, [line])


@pytest.mark.parametrize(
    ("said", "severity"),
    [
        ("Critical", "critical"),
        ("HIGH", "high"),
        (" medium ", "medium"),
        ("Major", "high"),
        ("blocker", "critical"),
        ("nitpick", "info"),
        ("🔴 Critical", "critical"),
        ("low/medium", "medium"),
        ("**Low**", "low"),
        ("P1", "high"),
        ("warning", "medium"),
        ("Informational", "info"),
    ],
)
def test_a_severity_is_read_in_any_case_and_by_its_usual_synonyms(said: str, severity: str) -> None:
    block = json.dumps([{"severity": said, "title": "x"}])
    assert [one.severity for one in read_review(f"```json\n{block}\n```\nNOT_APPROVED", MARK).findings] == [severity]
