"""Convert a result to formats for tools that show findings in the code: GitHub's workflow commands, and SARIF 2.1.0."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from llm_gateway_extension_review.report import NO_INSTRUCTIONS

_LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "notice", "info": "notice"}
_SARIF_LEVELS = {"error": "error", "warning": "warning", "notice": "note"}
_SCORES = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "3.0", "info": "0.0"}

Result = Mapping[str, Any]


def github(result: Result) -> str:
    """Return workflow commands: one for each finding, and one for the verdict."""
    lines = []
    for finding in result.get("findings", ()):
        known = {
            "file": finding.get("file"),
            "line": finding.get("line"),
            "title": f"{finding['severity']}: {finding['title']}",
        }
        properties = ",".join(f"{name}={_property(str(value))}" for name, value in known.items() if value)
        texts = [finding.get("detail"), finding.get("suggestion"), f"said by {', '.join(finding['saidBy'])}"]
        lines.append(f"::{_LEVELS[finding['severity']]} {properties}::{_message(chr(10).join(filter(None, texts)))}")
    lines += [
        f"::warning title={_property(reviewer['reviewer'])}::{_message(reviewer.get('problem') or reviewer['status'])}"
        for reviewer in result["reviewers"]
        if not reviewer.get("verdict")
    ]
    lines += [
        f"::warning title=not reviewed::{_message(note)}" for note in result.get("notes", ()) if note != NO_INSTRUCTIONS
    ]
    kind = "notice" if result.get("verdict") in ("APPROVED", "APPROVED_WITH_CONDITIONS") else "error"
    quorum = result.get("quorum") or {}
    summary = f"{quorum.get('approvals', 0)} of {quorum.get('of', 0)} approve, {quorum.get('needed', 0)} needed"
    lines.append(f"::{kind} title={_property(result.get('verdict') or result['status'])}::{_message(summary)}")
    return "\n".join(lines)


def sarif(result: Result) -> str:
    """Return a SARIF document with one run and a rule for each cause."""
    findings = result.get("findings", [])
    rules = {_rule(finding): finding for finding in reversed(findings)}
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "llm-gateway review",
                "rules": [
                    {
                        "id": rule,
                        "shortDescription": {"text": finding.get("cause") or "finding"},
                        "properties": {"security-severity": _SCORES[finding["severity"]]},
                    }
                    for rule, finding in sorted(rules.items())
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
        "results": [_sarif_result(finding) for finding in findings],
    }
    document = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2, ensure_ascii=False)


def _sarif_result(finding: Mapping[str, Any]) -> dict[str, Any]:
    texts = [finding["title"], finding.get("detail"), finding.get("suggestion")]
    sarif_result: dict[str, Any] = {
        "ruleId": _rule(finding),
        "level": _SARIF_LEVELS[_LEVELS[finding["severity"]]],
        "message": {"text": "\n\n".join(filter(None, texts))},
        "properties": {"severity": finding["severity"], "saidBy": finding["saidBy"]},
    }
    if finding.get("file"):
        location: dict[str, Any] = {"artifactLocation": {"uri": quote(finding["file"]), "uriBaseId": "%SRCROOT%"}}
        if finding.get("line"):
            location["region"] = {"startLine": finding["line"]}
        sarif_result["locations"] = [{"physicalLocation": location}]
    same = "\0".join((finding.get("file", ""), _rule(finding), finding["title"]))
    sarif_result["partialFingerprints"] = {
        "finding/v1": hashlib.sha256(same.encode("utf-8", "replace")).hexdigest()[:32]
    }
    return sarif_result


def _rule(finding: Mapping[str, Any]) -> str:
    return "-".join(re.findall(r"[a-z0-9]+", finding.get("cause", "").casefold())) or "finding"


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
