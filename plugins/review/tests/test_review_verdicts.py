"""Verdicts and findings of an answer, as opposed to quotations."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from llm_gateway_extension_review.counting import verdict_of
from llm_gateway_extension_review.findings import merge
from llm_gateway_extension_review.state import APPROVED, NO_QUORUM, NOT_APPROVED, WITH_CONDITIONS, Finding, Turn
from llm_gateway_extension_review.verdicts import read_review
from llm_gateway_extension_review.words import fenced

MARK = "0123456789abcdef"
EMPTY = '```json\n{"findings": []}\n```\n'


def block(*findings: Any) -> str:
    return f"```json\n{json.dumps({'findings': findings})}\n```\n"


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (f"Fine.\n{EMPTY}\nAPPROVED", APPROVED),
        (f"{EMPTY}\n**APPROVED**\n\n", APPROVED),
        (f"{EMPTY}Verdict: `APPROVED`", APPROVED),
        (f"{EMPTY}VERDICT: APPROVED_WITH_CONDITIONS.", WITH_CONDITIONS),
        (f"{EMPTY}NOT_APPROVED", NOT_APPROVED),
        (f"APPROVED\n{EMPTY}NOT_APPROVED", NOT_APPROVED),
        (f"NOT_APPROVED\n{EMPTY}APPROVED", APPROVED),
        ("NOT_APPROVED", NOT_APPROVED),
        ("APPROVED", None),
        (f"{EMPTY}It is APPROVED", None),
        (f"{EMPTY}approved", APPROVED),
        (f"{EMPTY}APPROVED or NOT_APPROVED", None),
        (f"{EMPTY}> APPROVED", None),
        (f"{EMPTY}    APPROVED", None),
        (f"{EMPTY}```\nAPPROVED\n```", None),
        (f"{EMPTY}~~~~\n~~~\nAPPROVED\n~~~~", None),
        (f"{EMPTY}```\nnever closed\nAPPROVED", None),
        (f"{EMPTY}=== EVIDENCE BEGINS {MARK}\nAPPROVED\n=== EVIDENCE ENDS {MARK}", None),
        (f"{EMPTY}=== EVIDENCE BEGINS {MARK}\nAPPROVED", None),
        (f"NOT_APPROVED\n{EMPTY}```\nAPPROVED\n```", NOT_APPROVED),
        ("```json\n{broken\n```\nAPPROVED", None),
        ("```json\n[1]\n```\nAPPROVED", None),
        ("```json\n{broken\n```\nNOT_APPROVED", NOT_APPROVED),
        ("", None),
        (" \n", None),
    ],
)
def test_a_verdict_is_a_line_that_is_not_quoted(text: str, verdict: str | None) -> None:
    found = read_review(text, MARK)
    assert found.verdict == verdict
    assert found.verdict or found.problem


def test_findings_are_read_and_an_invalid_one_prevents_an_approval() -> None:
    good = {"file": "a.py", "line": 3, "severity": "low", "title": " A nit ", "cause": "style"}
    found = read_review(f"{block(good)}APPROVED", MARK)
    assert found.findings == (Finding(severity="low", title="A nit", file="a.py", line=3, cause="style"),)
    for bad in ({**good, "severity": "awful"}, {**good, "title": ""}, {**good, "file": 1}, "x"):
        assert read_review(f"{block(good, bad)}APPROVED", MARK).verdict is None, bad
        assert len(read_review(f"{block(good, bad)}NOT_APPROVED", MARK).findings) == 1


def test_an_approval_with_a_severe_finding_has_conditions() -> None:
    found = read_review(f"{block({'severity': 'critical', 'title': 'It deletes the disk'})}APPROVED", MARK)
    assert found.verdict == WITH_CONDITIONS
    assert found.problem


@given(st.text(alphabet='APROVED_NTWIHC:`~>* \n{}[]"json', max_size=300))
def test_any_text_is_read_and_only_the_required_form_approves(text: str) -> None:
    found = read_review(text, MARK)
    assert found.verdict not in (APPROVED, WITH_CONDITIONS) or "json" in text


def turn(reviewer: str, *findings: Finding, verdict: str | None = NOT_APPROVED) -> Turn:
    return Turn(round=1, role="review", reviewer=reviewer, status="completed", verdict=verdict, findings=findings)


@pytest.mark.parametrize(
    ("said", "quorum", "verdict"),
    [
        ([APPROVED, APPROVED], 2, APPROVED),
        ([APPROVED, WITH_CONDITIONS], 2, WITH_CONDITIONS),
        ([APPROVED, WITH_CONDITIONS], 1, APPROVED),
        ([APPROVED, NOT_APPROVED], 2, NOT_APPROVED),
        ([APPROVED, NOT_APPROVED], 1, APPROVED),
        ([APPROVED, None], 2, NO_QUORUM),
        ([None, None], 1, NO_QUORUM),
        ([None, NOT_APPROVED], 1, NOT_APPROVED),
        ([], 1, NO_QUORUM),
    ],
)
def test_lesson_19_a_missing_verdict_is_not_an_approval(said: list[Any], quorum: int, verdict: str) -> None:
    assert verdict_of([turn(str(n), verdict=one) for n, one in enumerate(said)], quorum) == verdict


def test_findings_with_another_location_or_cause_are_not_merged() -> None:
    first = Finding(severity="high", title="The lock is never released", file="a.py", line=10, cause="lock leak")
    same = Finding(severity="low", title="Lock is not released on error", file="./a.py", line=12, cause="resource leak")
    far = Finding(severity="high", title="The lock is never released", file="a.py", line=90, cause="lock leak")
    other = Finding(severity="high", title="SQL is built from user input", file="a.py", line=10, cause="injection")
    elsewhere = Finding(severity="high", title="The lock is never released", file="b.py", line=10, cause="lock leak")
    merged = merge([turn("x", first, far), turn("y", same, other, elsewhere)])
    assert sorted((one.finding.file, one.finding.line, one.reviewers) for one in merged) == [
        ("a.py", 10, ["x", "y"]),
        ("a.py", 10, ["y"]),
        ("a.py", 90, ["x"]),
        ("b.py", 10, ["y"]),
    ]


def test_fenced_text_has_only_valid_characters_and_cannot_contain_the_mark() -> None:
    text = fenced(f"a\0b \ud800 {MARK} c", MARK)
    assert text.count(MARK) == 2
    assert "\0" not in text
    assert text.encode()


def test_a_lone_surrogate_in_a_finding_does_not_fail() -> None:
    block = '{"findings": [{"severity": "low", "title": "a\\ud800b"}]}'
    (found,) = read_review(f"```json\n{block}\n```\n\nNOT_APPROVED", "mark").findings
    assert found.title == "a?b"
