"""The protocol's official conformance suite, against the server that `llm-gateway serve` shows."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
import tomli

from tests.conformance.suite import SUITES, bridge, run, surprises

HERE = Path(__file__).parent
REASONS: dict[str, list[str]] = {
    reason: entry["fails"] for reason, entry in tomli.loads((HERE / "expected.toml").read_text()).items()
}
EXPECTED = {scenario: reason for reason, scenarios in REASONS.items() for scenario in scenarios}


@pytest.mark.parametrize("name", SUITES)
def test_the_suite_finds_what_is_expected_and_nothing_else(name: str, tmp_path: Path) -> None:
    with bridge(tmp_path / "home") as url:
        found = run(SUITES[name], url, tmp_path / "found")
    assert len(found) == SUITES[name].scenarios
    assert surprises(found, EXPECTED) == []


def test_every_expected_failure_has_one_reason_which_is_explained() -> None:
    told = re.findall(r"^### `(.*)`", (HERE / "README.md").read_text(), re.MULTILINE)
    assert told == list(REASONS)
    assert Counter(scenario for scenarios in REASONS.values() for scenario in scenarios) == Counter(set(EXPECTED))


def test_a_new_failure_and_a_failure_that_is_gone_are_surprises() -> None:
    found = {"a": {"one": "broken"}, "b": {}, "c": {"two": "as ever", "three": "new"}}
    told = surprises(found, {"b": "a reason", "c/two": "a reason", "not run": "a reason"})
    assert told == ["failed: a/one: broken", "failed: c/three: new", "passed, but is expected to fail: b"]
