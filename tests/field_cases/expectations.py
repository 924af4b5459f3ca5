"""What a case expects, compared with what a caller was told."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

#: Seconds by which a told time may differ: the words name minutes, and a run takes a moment.
_MINUTE_S, _RUN_S, _EXACT_S = 60, 20, 1


def differences(expected: dict[str, Any], told: dict[str, Any], before: datetime, zone: str) -> list[str]:
    """What is not as expected, in words.

    :param before: the moment before the request.
    :param zone: the gateway's time zone.
    """
    error = told.get("error") or {}
    pairs = [("status", told.get("status")), ("code", error.get("code")), ("retryable", error.get("retryable"))]
    pairs += [("sessionId", told.get("sessionId")), ("model", told.get("model"))]
    pairs += [("structured", told.get("structuredOutput")), ("textChars", len(told.get("text") or ""))]
    found = [f"{name}: {value!r}" for name, value in pairs if name in expected and not _fits(expected[name], value)]
    found += _text(expected, told.get("text") or "")
    found += _usage(expected, told.get("usage") or {})
    found += _words(expected, error)
    found += _reset(expected, error, before, zone)
    if error and not error.get("recovery"):
        found.append("recovery: none")
    return found


def _fits(wanted: Any, value: Any) -> bool:
    return value in wanted if isinstance(wanted, list) else bool(value == wanted)


def _text(expected: dict[str, Any], text: str) -> list[str]:
    if "text" not in expected:
        return []
    same = text.strip() == expected["text"].strip() if expected.get("textStrip") else text == expected["text"]
    return [] if same else [f"text: {text!r}"]


def _usage(expected: dict[str, Any], usage: dict[str, Any]) -> list[str]:
    found = [
        f"usage.{name}: {usage.get(name)!r}"
        for name, count in expected.get("usage", {}).items()
        if usage.get(name) != count
    ]
    return found + [f"usage.{name}: {count!r}" for name, count in usage.items() if count < 0]


def _words(expected: dict[str, Any], error: dict[str, Any]) -> list[str]:
    found = []
    for field in ("recovery", "message", "providerMessage"):
        words = (error.get(field) or "").lower()
        if expected.get(f"{field}Has", "").lower() not in words:
            found.append(f"{field}: {error.get(field)!r}")
        unwanted = expected.get(f"{field}Not")
        if unwanted and unwanted.lower() in words:
            found.append(f"{field} says {unwanted!r}")
    return found


def _reset(expected: dict[str, Any], error: dict[str, Any], before: datetime, zone: str) -> list[str]:
    rule = expected.get("resetAt")
    if not rule:
        return []
    told = error.get("resetAt")
    if told is None:
        return ["resetAt: none"]
    moment, tolerance_s = _moment(rule, before, zone)
    off_s = (datetime.fromisoformat(told.replace("Z", "+00:00")) - moment).total_seconds()
    # A time of day within the minute in which the test runs is today's, and the next one is a day away.
    near = abs(off_s) <= tolerance_s or ("next" in rule and abs(off_s + 86_400) <= tolerance_s)
    return [] if near else [f"resetAt: {told}, not {moment.isoformat()}"]


def _moment(rule: dict[str, Any], before: datetime, zone: str) -> tuple[datetime, float]:
    if "epoch" in rule:
        return datetime.fromtimestamp(rule["epoch"], timezone.utc), _EXACT_S
    if "iso" in rule:
        return datetime.fromisoformat(rule["iso"].replace("Z", "+00:00")), _EXACT_S
    if "inSeconds" in rule:
        return before + timedelta(seconds=rule["inSeconds"]), _RUN_S
    if "local" in rule:
        return datetime.strptime(rule["local"], "%Y-%m-%d %H:%M").replace(tzinfo=ZoneInfo(zone)), _MINUTE_S
    there = before.astimezone(ZoneInfo(rule["zone"]))
    hour, minute = map(int, rule["next"].split(":"))
    moment = there.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if "date" in rule:
        month, day = map(int, rule["date"].split("-"))
        moment = moment.replace(month=month, day=day)
        return (moment if moment > there else moment.replace(year=moment.year + 1)), _MINUTE_S
    return (moment if moment > there else moment + timedelta(days=1)), _MINUTE_S
