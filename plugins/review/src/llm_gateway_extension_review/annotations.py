"""A result for machines that show findings beside the code: GitHub's workflow commands, and SARIF 2.1.0."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

_LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "notice", "info": "notice"}
_SARIF_LEVELS = {"error": "error", "warning": "warning", "notice": "note"}
_SCORES = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "3.0", "info": "0.0"}

Result = Mapping[str, Any]


def github(result: Result) -> str:
    """Workflow commands, one a finding, and one that says the verdict."""
    lines = []
    for one in result.get("findings", ()):
        known = {"file": one.get("file"), "line": one.get("line"), "title": f"{one['severity']}: {one['title']}"}
        places = ",".join(f"{name}={_property(str(value))}" for name, value in known.items() if value)
        words = [one.get("detail"), one.get("suggestion"), f"said by {', '.join(one['saidBy'])}"]
        lines.append(f"::{_LEVELS[one['severity']]} {places}::{_message(chr(10).join(filter(None, words)))}")
    lines += [
        f"::warning title={_property(reviewer['reviewer'])}::{_message(reviewer.get('problem') or reviewer['status'])}"
        for reviewer in result["reviewers"]
        if not reviewer.get("verdict")
    ]
    lines += [f"::warning title=not reviewed::{_message(note)}" for note in result.get("notes", ())]
    kind = "notice" if result.get("verdict") in ("APPROVED", "APPROVED_WITH_CONDITIONS") else "error"
    quorum = result.get("quorum") or {}
    told = f"{quorum.get('approvals', 0)} of {quorum.get('of', 0)} approve, {quorum.get('needed', 0)} needed"
    lines.append(f"::{kind} title={_property(result.get('verdict') or result['status'])}::{_message(told)}")
    return "\n".join(lines)


def sarif(result: Result) -> str:
    """One run of SARIF; a rule for each cause."""
    findings = result.get("findings", [])
    rules = {_rule(one): one for one in reversed(findings)}
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "llm-gateway review",
                "rules": [
                    {
                        "id": rule,
                        "shortDescription": {"text": one.get("cause") or "finding"},
                        "properties": {"security-severity": _SCORES[one["severity"]]},
                    }
                    for rule, one in sorted(rules.items())
                ],
            }
        },
        "invocations": [{"executionSuccessful": result["status"] in ("completed", "escalate")}],
        "properties": {
            "verdict": result.get("verdict"),
            "quorum": result.get("quorum"),
            "reviewId": result["reviewId"],
            "notes": list(result.get("notes", ())),
        },
        "results": [_sarif_result(one) for one in findings],
    }
    document = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2, ensure_ascii=False)


def _sarif_result(one: Mapping[str, Any]) -> dict[str, Any]:
    words = [one["title"], one.get("detail"), one.get("suggestion")]
    told: dict[str, Any] = {
        "ruleId": _rule(one),
        "level": _SARIF_LEVELS[_LEVELS[one["severity"]]],
        "message": {"text": "\n\n".join(filter(None, words))},
        "properties": {"severity": one["severity"], "saidBy": one["saidBy"]},
    }
    if one.get("file"):
        place: dict[str, Any] = {"artifactLocation": {"uri": quote(one["file"]), "uriBaseId": "%SRCROOT%"}}
        if one.get("line"):
            place["region"] = {"startLine": one["line"]}
        told["locations"] = [{"physicalLocation": place}]
    same = "\0".join((one.get("file", ""), _rule(one), one["title"]))
    told["partialFingerprints"] = {"finding/v1": hashlib.sha256(same.encode("utf-8", "replace")).hexdigest()[:32]}
    return told


def _rule(one: Mapping[str, Any]) -> str:
    return "-".join(re.findall(r"[a-z0-9]+", one.get("cause", "").casefold())) or "finding"


def _message(words: str) -> str:
    return words.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(words: str) -> str:
    return _message(words).replace(":", "%3A").replace(",", "%2C")
