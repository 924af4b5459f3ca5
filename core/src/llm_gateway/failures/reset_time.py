"""Find the time at which a limit is reset in a provider's message. Pure: the clock and the zone are parameters.

The message names a moment ("resets 3pm (Europe/Berlin)", "try again at Nov 30th, 2026 3:05 PM", an ISO time, epoch seconds) or a
span ("in 2 days 17 hours", "reset after 12h34m16s", `"retryDelay": "34s"`, `retry-after: 30`). A time counts only after a word
that announces it, such as "resets" or "try again", so other numbers and dates of a message are ignored.

The search takes linear time: at most `MOST_CHARS` characters are read, and at most `_TAIL` characters after each announcement.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

MOST_CHARS = 20_000  #: of a longer text, the beginning and the end
_TAIL = 120
#: A later time is not accepted: the number means something else.
_FARTHEST = timedelta(days=400)
#: A moment that passed this recently is accepted: the message was written before it.
_JUST_PASSED = timedelta(seconds=60)

_ANNOUNCED = re.compile(
    r"(?:(?<![A-Za-z])[Rr]eset|(?<=[a-z])Reset|RESET)(?:[_-]?[A-Za-z]){0,30}"
    r"|(?:(?<![A-Za-z])[Rr]etry|(?<=[a-z])Retry|RETRY)(?!ing|ies)(?:[_-]?[A-Za-z]){0,30}"
    r"|(?i:\b(?:try(?:ing)? (?:your request )?again|come back|regains? access|renews?|refreshes|restored|wait(?: for)?"
    r"|available again|back (?=at|on|in)|until)\b)"
)
#: Text between the announcement and the time. A hyphen before a digit is a minus sign, and a negative time is ignored.
_BETWEEN = re.compile(
    r"""(?:[\s"'`:=·•,;(\[{~>_–—\\]|-(?!\d)|\b(?:at|on|in|after|within|for|by|again|is|are|time|about|approximately|around|the|your|until
    |of|next|delay|quota|limits?|usage|access|will|be|available|from|now|date|timestamp|stamp|requests|tokens|another|only|sent|occurs|s|ms|seconds|header)(?=[\W_\d])){0,24}""",
    re.IGNORECASE | re.VERBOSE,
)
_SPAN_WORD = re.compile(r"(?:\b|[_-])(?:in|after|within|for|delay|wait)(?=[\W_]|$)", re.IGNORECASE)
_MILLIS = re.compile(r"(?:[_-]|after|delay|in)(?:ms|millis(?:econds)?)(?![a-z])", re.IGNORECASE)
_KEY = re.compile(r"""[:=]["'\s]{0,3}$""")
_NAMES_A_MOMENT = re.compile(r"(?:at|timestamp|date)[\W_]{0,8}$", re.IGNORECASE)
_PIPED_EPOCH = re.compile(r"\|\s{0,3}(\d{10}(?:\d{3})?)(?!\d)")

_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ]\s{0,2}(?:at\s)?\s{0,2}(\d\d):(\d\d)(?::(\d\d)(?:[.,]\d{1,9})?)?)?(?!\d)",
    re.IGNORECASE,
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
_YEAR = r"(?:,?\s{1,2}(\d{4})(?![\d:]))?"
_MONTH_DAY = re.compile(_MONTH + r"\s{1,2}(\d{1,2})(?:st|nd|rd|th)?\b" + _YEAR, re.IGNORECASE)
_DAY_MONTH = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?\s{1,2}(?:of\s)?" + _MONTH + r"(?![a-z])" + _YEAR, re.IGNORECASE)
_DAY_WORD = re.compile(r"(today|tomorrow)\b", re.IGNORECASE)
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKDAY = re.compile(r"(mon|tue|wed|thu|fri|sat|sun)(?:[a-z]{0,4}day)?\b,?\s{0,2}", re.IGNORECASE)
_BEFORE_CLOCK = re.compile(r"(?:[\s,·]|\bat\b){0,6}", re.IGNORECASE)
_CLOCK = re.compile(
    r"(\d{1,2})(?:[:.](\d\d))?(?::(\d\d))?\s{0,2}([ap])\.?m\b\.?|(\d{1,2}):(\d\d)(?::(\d\d))?(?![\d:])|\b(midnight|noon)\b",
    re.IGNORECASE,
)
_ZONE = re.compile(
    r"\s{0,3}(?:\(\s{0,2}([^()\n]{1,50})\)|([+-]\d\d:?\d\d)(?!\d)"
    r"|((?i:pacific|mountain|central|eastern) (?i:standard |daylight )?[Tt]ime|[A-Za-z_]{2,20}/[A-Za-z_+\-/0-9]{2,40}|(?:UTC|GMT)(?:[+-]\d{1,2}(?::?\d\d)?)?|Z|[A-Z]{3,4})\b)"
)
_OFFSET = re.compile(r"(?:UTC|GMT)?\s?([+-])(\d{1,2}):?(\d\d)?", re.IGNORECASE)
#: Abbreviations with only one meaning in the messages of services. Others ("IST", "CST" in Asia) have several.
_ABBREVIATED = {
    **dict.fromkeys(("UTC", "GMT", "Z"), 0),
    **dict.fromkeys(("WEST", "BST", "CET"), 1),
    **dict.fromkeys(("EET", "CEST"), 2),
    **dict.fromkeys(("JST", "KST"), 9),
    **dict.fromkeys(("EST", "CDT"), -5),
    **dict.fromkeys(("MST", "PDT"), -7),
    "EDT": -4,
    "MDT": -6,
    "PST": -8,
    "EEST": 3,
    "AEST": 10,
    "AEDT": 11,
}
#: Zones that services name in words.
_NAMED_ZONES = {
    "pacific": "America/Los_Angeles",
    "mountain": "America/Denver",
    "central": "America/Chicago",
    "eastern": "America/New_York",
}

_UNITS = {
    **dict.fromkeys(("ms", "msec", "msecs", "millis", "millisecond", "milliseconds"), 0.001),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86_400.0),
    **dict.fromkeys(("w", "week", "weeks"), 604_800.0),
}
_UNIT = "|".join(sorted(_UNITS, key=len, reverse=True))
_PART = re.compile(rf"(\d{{1,12}}(?:\.\d{{1,12}})?|\ban?\b|\bone\b)\s{{0,2}}-?({_UNIT})(?![a-z])", re.IGNORECASE)
_PART_GAP = re.compile(r"(?:[\s,]|\band\b){0,4}", re.IGNORECASE)
_HMS = re.compile(r"(\d{1,3}):(\d\d):(\d\d)(?![\d:])")
_BARE = re.compile(r"(\d{1,16}(?:\.\d{1,9})?)(?=\s{0,3}(?:[\"'.,;)}\]|\\]|$|\n))")


def reset_time(text: str, now: datetime, local_zone: tzinfo) -> datetime | None:
    """Return the moment (aware, UTC) at which a limit is reset; None: the text names none, or an implausible one.

    :param text: a provider's message, or the JSON with which a service reported its limit.
    :param now: aware; spans begin at this moment, and a time of day is the next one after it. A time of day within the current
        minute is today's: the message was written just before.
    :param local_zone: the zone of a time without a zone (see `system_zone`).
    """
    if len(text) > MOST_CHARS:
        text = f"{text[: MOST_CHARS // 2]}\n{text[-MOST_CHARS // 2 :]}"
    piped = _PIPED_EPOCH.search(text)
    found = _from_epoch(float(piped[1]), now) if piped else None
    return found or next((moment for moment in _announced(text, now, local_zone) if moment), None)


def _announced(text: str, now: datetime, local_zone: tzinfo) -> Iterator[datetime | None]:
    for lead in _ANNOUNCED.finditer(text):
        tail = text[lead.end() : lead.end() + _TAIL]
        between = _BETWEEN.match(tail)
        skipped = between[0] if between else ""
        value = tail[len(skipped) :]
        announced = f"{lead[0]}{skipped}"
        try:
            yield (
                _clocked_span(value, announced, now)
                or _moment(value, now, local_zone)
                or _span(value, now)
                or _bare_number(value, announced, now)
            )
        except (ValueError, OverflowError):  # no such day, or a number beyond any calendar
            continue


def _moment(value: str, now: datetime, local_zone: tzinfo) -> datetime | None:
    """Return the moment of a date, a time of day, or both."""
    iso = _ISO.match(value)
    if iso:
        naive = datetime(*(int(group or 0) for group in iso.groups()))  # type: ignore[arg-type]  # six numbers
        iso_zone = _zone_behind(value[iso.end() :], local_zone)
        return _plausible(_local(naive, iso_zone, now), now) if iso_zone else None
    days, rest, dated = _days(value)
    before = _BEFORE_CLOCK.match(rest)
    clock = _CLOCK.match(rest, before.end() if before else 0)
    if clock is None and not dated:
        return None
    zone = _zone_behind(rest[clock.end() :] if clock else rest, local_zone)
    hour_minute = _hour_minute(clock) if clock else (0, 0)
    if zone is None or hour_minute is None:
        return None
    for day in days(now.astimezone(zone).date()):
        moment = _local(datetime(day.year, day.month, day.day, *hour_minute), zone, now)
        if moment > now - _JUST_PASSED:
            return _plausible(moment, now)
    return None


#: A function of today that returns the possible days, the nearest first.
_Days = Callable[[date], Iterable[date]]


def _days(value: str) -> tuple[_Days, str, bool]:
    """Return the possible days, the rest of the text, and whether it names a date."""
    weekday = _WEEKDAY.match(value)
    rest = value[weekday.end() :] if weekday else value
    month_day, day_month, word = _MONTH_DAY.match(rest), _DAY_MONTH.match(rest), _DAY_WORD.match(value)
    if month_day:
        month, day, year = month_day.groups()
        return _in_years(year, _MONTHS.index(month.lower()) + 1, int(day)), rest[month_day.end() :], True
    if day_month:
        day, month, year = day_month.groups()
        return _in_years(year, _MONTHS.index(month.lower()) + 1, int(day)), rest[day_month.end() :], True
    if word:
        first = 1 if word[1].lower() == "tomorrow" else 0
        return (lambda today: [today + timedelta(days=first)]), value[word.end() :], False
    if weekday:
        wanted = _WEEKDAYS.index(weekday[1].lower())
        return (lambda today: [d for d in _next_days(today, 8) if d.weekday() == wanted]), rest, False
    return (lambda today: _next_days(today, 2)), value, False


def _next_days(today: date, count: int) -> list[date]:
    return [today + timedelta(days=number) for number in range(count)]


def _in_years(year: str | None, month: int, day: int) -> _Days:
    def days(today: date) -> Iterator[date]:
        for candidate in (int(year),) if year else (today.year, today.year + 1):
            with suppress(ValueError):  # 29 February
                yield date(candidate, month, day)

    return days


def _hour_minute(clock: re.Match[str]) -> tuple[int, int] | None:
    hour, minute, _, half, plain_hour, plain_minute, _, word = clock.groups()
    if word:
        return (0, 0) if word.lower() == "midnight" else (12, 0)
    if half is None:
        return (int(plain_hour), int(plain_minute)) if int(plain_hour) < 24 and int(plain_minute) < 60 else None
    if not 1 <= int(hour) <= 12 or int(minute or 0) > 59:
        return None
    return int(hour) % 12 + (12 if half.lower() == "p" else 0), int(minute or 0)


def _zone_behind(rest: str, local_zone: tzinfo) -> tzinfo | None:
    """Return the zone named after a time; the local zone if none is named; None: the named zone does not exist."""
    match = _ZONE.match(rest)
    if match is None:
        return local_zone
    bracketed, offset, bare = match.groups()
    named = (bracketed or offset or bare).strip()
    zone = _zone(named)
    other_word = " " in named and "/" not in named  # "(see the manual)"
    ambiguous = bare is not None and "/" not in bare  # "OR", or an abbreviation that means several zones
    return local_zone if zone is None and (other_word or ambiguous) else zone


def _zone(name: str) -> tzinfo | None:
    shift = _OFFSET.fullmatch(name)
    if shift:
        sign, hours, minutes = shift.groups()
        span = timedelta(hours=int(hours), minutes=int(minutes or 0))
        return timezone(-span if sign == "-" else span) if span < timedelta(hours=24) else None
    if name.upper() in _ABBREVIATED:
        return timezone(timedelta(hours=_ABBREVIATED[name.upper()]))
    first_word = name.lower().partition(" ")[0]
    try:
        return ZoneInfo(_NAMED_ZONES.get(first_word, name.replace(" ", "_")))
    except (ValueError, OSError, LookupError):  # not a zone, a folder of zones, or a zone that is not known here
        return None


def _local(naive: datetime, zone: tzinfo, now: datetime) -> datetime:
    """Return a local time as a moment.

    If the clock shows the time twice, it is the first moment in the future. If it never does, it is the moment after the gap.
    """
    first, second = (naive.replace(tzinfo=zone, fold=fold).astimezone(timezone.utc) for fold in (0, 1))
    passed = first <= now - _JUST_PASSED
    return second if passed and second > first else first


def _clocked_span(value: str, announced: str, now: datetime) -> datetime | None:
    """Return the end of a span written as hours:minutes:seconds after a word such as "in"."""
    three = _HMS.match(value)
    if three is None or not _SPAN_WORD.search(announced):
        return None
    hours, minutes, seconds = map(int, three.groups())
    return _plausible(now + timedelta(hours=hours, minutes=minutes, seconds=seconds), now)


def _span(value: str, now: datetime) -> datetime | None:
    """Return the end of a span written as numbers with units."""
    total, at = 0.0, 0
    part = _PART.match(value)
    while part:
        number = 1.0 if part[1][0].isalpha() else float(part[1])
        total += number * _UNITS[part[2].lower()]
        at = part.end()
        gap = _PART_GAP.match(value, at)
        part = _PART.match(value, gap.end() if gap else at)
    return _plausible(now + timedelta(seconds=total), now) if at else None


def _bare_number(value: str, announced: str, now: datetime) -> datetime | None:
    """Return the moment of a number without a unit: epoch seconds or milliseconds if it is large, else seconds or its key's unit."""
    bare = _BARE.match(value)
    if bare is None:
        return None
    number = float(bare[1])
    if number >= 1e9:
        return _from_epoch(number, now)
    keyed = _SPAN_WORD.search(announced) or _KEY.search(announced)
    if _NAMES_A_MOMENT.search(announced) or not keyed:
        return None
    unit = 0.001 if _MILLIS.search(announced) else 1.0
    return _plausible(now + timedelta(seconds=number * unit), now)


def _from_epoch(number: float, now: datetime) -> datetime | None:
    seconds = number / 1000 if number >= 1e11 else number
    try:
        return _plausible(datetime.fromtimestamp(seconds, timezone.utc), now)
    except (ValueError, OverflowError, OSError):
        return None


def _plausible(moment: datetime, now: datetime) -> datetime | None:
    moment = moment.astimezone(timezone.utc)
    return moment if now - _JUST_PASSED <= moment <= now + _FARTHEST else None


class _SystemZone(tzinfo):
    """The machine's zone with its daylight saving time, from the C library."""

    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        """Return the offset at this local time."""
        return dt.replace(tzinfo=None).astimezone().utcoffset() if dt else None

    def dst(self, dt: datetime | None) -> timedelta | None:
        """Return None: the daylight saving offset is not known separately."""
        return None

    def tzname(self, dt: datetime | None) -> str | None:
        """Return the zone's name at this local time."""
        return dt.replace(tzinfo=None).astimezone().tzname() if dt else None

    def fromutc(self, dt: datetime) -> datetime:
        """Convert a UTC time without the standard library's formula, which needs `dst`."""
        local = dt.replace(tzinfo=timezone.utc).astimezone()
        return local.replace(tzinfo=self)


def system_zone() -> tzinfo:
    """Return the zone that programs on this machine use: `TZ`, or the machine's."""
    return _SystemZone()
