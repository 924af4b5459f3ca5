from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given, strategies as st

from llm_gateway_provider_kit.waiting import reset_time, system_zone

UTC = timezone.utc
NOW = datetime(2026, 11, 29, 20, 0, 30, tzinfo=UTC)  # a Sunday
BERLIN = ZoneInfo("Europe/Berlin")  # 21:00:30 there
MINUTE = timedelta(minutes=1)
#: Zones with offsets of half and quarter hours, the extreme offsets, and daylight saving of 30 and 120 minutes and in the south.
NAMES = (
    *("UTC", "Asia/Kolkata", "Asia/Kathmandu", "Pacific/Kiritimati", "Pacific/Niue", "Australia/Lord_Howe"),
    *(
        "America/Sao_Paulo",
        "America/New_York",
        "Europe/Berlin",
        "America/Santiago",
        "Antarctica/Troll",
        "Pacific/Chatham",
    ),
)
zones = st.sampled_from(NAMES).map(ZoneInfo)
moments = st.datetimes(datetime(2024, 1, 1), datetime(2037, 12, 31), timezones=st.just(UTC))


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("words", "moment"),
    [
        ("You've hit your limit · resets 2pm (Asia/Shanghai)", utc(2026, 11, 30, 6)),
        ("resets 12:50am (America/Bogota)", utc(2026, 11, 30, 5, 50)),
        ("resets 12pm (UTC)", utc(2026, 11, 30, 12)),
        ("Weekly limit reached ∙ resets Jul 15 at 12am (Europe/London)", utc(2027, 7, 14, 23)),
        ("resets Jul 15, 12am (Europe/London)", utc(2027, 7, 14, 23)),
        ("resets Dec 5, 2026, 3:00 PM GMT+1", utc(2026, 12, 5, 14)),
        ("resets 3pm", utc(2026, 11, 30, 14)),
        ("resets at 22:30", utc(2026, 11, 29, 21, 30)),
        ("resets Mon 9am", utc(2026, 11, 30, 8)),
        ("resets Wednesday at 9:00 AM UTC", utc(2026, 12, 2, 9)),
        ("try again tomorrow at 9am PST", utc(2026, 11, 30, 17)),
        ("usage limit reached|1798693200", utc(2026, 12, 31, 5)),
        ("usage limit reached|1798693200000", utc(2026, 12, 31, 5)),
        ('"resetsAt": 1798693200', utc(2026, 12, 31, 5)),
        ('"resets_at":1798693200123,', utc(2026, 12, 31, 5) + timedelta(milliseconds=123)),
        ("anthropic-ratelimit-unified-reset: 1798693200", utc(2026, 12, 31, 5)),
        ("You will regain access on 2027-01-01 at 00:00 UTC.", utc(2027, 1, 1)),
        ("or try again at Dec 27th, 2026 5:05 AM.", utc(2026, 12, 27, 4, 5)),
        ("try again at 3:05 PM.", utc(2026, 11, 30, 14, 5)),
        ("resets at 2026-12-01T10:00:00Z", utc(2026, 12, 1, 10)),
        ('resetTime: "2026-12-01T10:00:00.123+02:00"', utc(2026, 12, 1, 8)),
        ("Try again after 2026-12-01 00:00:00 UTC", utc(2026, 12, 1)),
        ("limit resets on 15 July 2027 12:00", utc(2027, 7, 15, 10)),
        ("Retry-After: Wed, 30 Dec 2026 07:28:00 GMT", utc(2026, 12, 30, 7, 28)),
        ("The daily quota resets at midnight Pacific time.", utc(2026, 11, 30, 8)),
        ("resets at noon Eastern Standard Time", utc(2026, 11, 30, 17)),
        ("limit will reset at midnight", utc(2026, 11, 29, 23)),
    ],
)
def test_lesson_90_a_moment_in_any_form_is_found(words: str, moment: datetime) -> None:
    assert reset_time(words, NOW, BERLIN) == moment


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("try again in 2 days 17 hours 14 minutes.", 234_840),
        ("Your quota will reset after 12h34m16s.]", 45_256),
        ("Your quota will reset after 5s.. Retrying after 6173ms...", 5),
        ("reset after 0s", 0),
        ("Resets in 71h15m27s.", 256_527),
        ("Please retry in 47.4s.", 47.4),
        ("Please try again in 14.036s. Visit https://example.com", 14.036),
        ("Please try again in 120ms.", 0.12),
        ("retry-after: 30", 30),
        ("Retry-After: 30\nx: y", 30),
        ("retry-after-ms: 1500", 1.5),
        ("retry_after_ms=1500", 1.5),
        ('{"retryDelay": "34s"}', 34),
        ('{\\"retryDelay\\":\\"34.07s\\"}', 34.07),
        ('"resets_in_seconds": 3600', 3600),
        ('"resetsInSeconds":3600,', 3600),
        ('"quotaResetDelay":"12h34m16.5s"', 45_256.5),
        ("x-ratelimit-reset-requests: 6m0s", 360),
        ("Expected quota reset within 24h.", 86_400),
        ("try again in an hour", 3600),
        ("Please wait 30 seconds before the next request", 30),
        ("resets in 1 day, 2 hours and 3 minutes", 93_780),
        ("Rate limit resets in 00:14:36", 876),
        ("Try again in 1 week", 604_800),
    ],
)
def test_lesson_90_a_span_in_any_form_is_found(words: str, seconds: float) -> None:
    assert reset_time(words, NOW, BERLIN) == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "words",
    [
        *(
            "",
            "no time at all",
            "3pm",
            "in 5 minutes",
            "2027-01-01",
            "resets soon",
            "Please wait a moment before trying again.",
        ),
        *(
            "Usage resets over a rolling 24-hour window - tokens (actual/limit): 1065554/1000000.",
            "resets 25pm",
            "resets 13:70",
        ),
        *(
            "retry-after: -5",
            "retry in -3s",
            "resets at 24:00",
            "resets Feb 30 at 1pm",
            "try again at Nov 31st, 2026 3:05 PM",
        ),
        *("try again in 99999999999 days", "retry-after: 999999999999999", "limit|9999999999", "limit|1000000000"),
        *("resets 2020-01-01 00:00 UTC", "try again at Jan 1st, 1970 0:00 AM", "resets 2099-01-01", '"resetsAt": 1'),
        *(
            "resets 3pm (Mars/Olympus)",
            "resets 3pm (../../etc/passwd)",
            "resets 3pm (America)",
            "resets Jul 15 at 12am (Zone)",
        ),
        *("retry 3 times", "reset 5 of your limits", "available in 3 regions", "resets 3pm (UTC+99)"),
    ],
)
def test_text_without_a_time_gives_none(words: str) -> None:
    assert reset_time(words, NOW, BERLIN) is None


def test_a_reset_in_the_current_minute_is_now_and_not_tomorrow() -> None:
    for words in (
        "resets 9pm",
        "resets 9:00pm (Europe/Berlin)",
        "resets 20:00 UTC",
        "try again at Nov 29th, 2026 9:00 PM",
    ):
        assert reset_time(words, NOW, BERLIN) == utc(2026, 11, 29, 20)
    assert reset_time("resets 9pm", NOW + MINUTE, BERLIN) == utc(2026, 11, 30, 20)


def test_a_date_in_the_past_is_in_the_next_year() -> None:
    assert reset_time("resets Nov 28 at 9am (UTC)", NOW, BERLIN) == utc(2027, 11, 28, 9)
    assert reset_time("resets Jan 1 at 12am (UTC)", utc(2026, 12, 31, 23, 59), BERLIN) == utc(2027, 1, 1)
    assert reset_time("resets Feb 29 at 9am (UTC)", utc(2027, 3, 1), BERLIN) == utc(2028, 2, 29, 9)


def test_a_skipped_local_time_is_after_the_gap() -> None:
    before = utc(2026, 3, 29, 0, 30)  # at 01:00 UTC the clock in Berlin goes from 2 to 3
    assert reset_time("resets 2:30am (Europe/Berlin)", before, UTC) == utc(2026, 3, 29, 1, 30)


def test_of_a_repeated_local_time_the_next_one_is_used() -> None:
    first, second = utc(2026, 10, 25, 0, 30), utc(2026, 10, 25, 1, 30)  # 2:30 in Berlin, both
    assert reset_time("resets 2:30am (Europe/Berlin)", first - MINUTE, UTC) == first
    assert reset_time("resets 2:30am (Europe/Berlin)", first + 2 * MINUTE, UTC) == second
    assert reset_time("resets 2:30am (Europe/Berlin)", second + 2 * MINUTE, UTC) == utc(2026, 10, 26, 1, 30)


def formatted(moment: datetime, form: str) -> str:
    """Return a local time in one of the formats that programs print."""
    hour, half = moment.hour % 12 or 12, "am" if moment.hour < 12 else "pm"
    clock = f"{hour}{half}" if moment.minute == 0 else f"{hour}:{moment.minute:02}{half}"
    return form.format(
        clock=clock, day=moment.day, month=f"{moment:%b}", year=moment.year, hhmm=f"{moment:%H:%M}", upper=clock.upper()
    )


@given(now=moments, ahead=st.integers(2, 24 * 60 - 61), zone=zones, named=st.booleans())
@example(now=utc(2026, 12, 31, 23, 59), ahead=2, zone=ZoneInfo("UTC"), named=True)
def test_the_next_time_of_day_is_found_in_every_zone_and_season(
    now: datetime, ahead: int, zone: ZoneInfo, named: bool
) -> None:
    there = (now + ahead * MINUTE).astimezone(zone).replace(second=0, microsecond=0)
    assume(_plain(there))
    local: tzinfo = UTC if named else zone
    for form in ("resets {clock}", "resets at {upper}", "try again at {hhmm}"):
        words = f"{formatted(there, form)} ({zone.key})" if named else formatted(there, form)
        assert reset_time(words, now, local) == there.astimezone(UTC), words


@given(now=moments, ahead=st.integers(2, 360 * 24 * 60), zone=zones)
@example(now=utc(2026, 12, 31, 12), ahead=24 * 60, zone=ZoneInfo("Pacific/Kiritimati"))
def test_a_date_is_found_over_the_years_end(now: datetime, ahead: int, zone: ZoneInfo) -> None:
    there = (now + ahead * MINUTE).astimezone(zone).replace(second=0, microsecond=0)
    assume(_plain(there))
    for form in (
        "resets {month} {day} at {clock}",
        "try again at {month} {day}th, {year} {upper}",
        "resets {day} {month} {year} {hhmm}",
    ):
        words = f"{formatted(there, form)} ({zone.key})"
        assert reset_time(words, now, UTC) == there.astimezone(UTC), words


@given(
    now=moments,
    days=st.integers(0, 60),
    hours=st.integers(0, 23),
    minutes=st.integers(0, 59),
    seconds=st.integers(0, 59),
)
def test_a_span_is_the_same_in_every_form(now: datetime, days: int, hours: int, minutes: int, seconds: int) -> None:
    span = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    total_s = int(span.total_seconds())
    for words in (
        f"try again in {days} days {hours} hours {minutes} minutes {seconds} seconds",
        f"reset after {days}d{hours}h{minutes}m{seconds}s",
        f'"retryDelay": "{total_s}s"',
        f"retry-after: {total_s}",
        f"resets_in_seconds={total_s}",
        f"Please retry in {total_s}.0s.",
    ):
        assert reset_time(words, now, BERLIN) == now + span, words


@given(text=st.text(max_size=200), now=moments, zone=zones)
def test_any_text_gives_none_or_an_aware_and_plausible_time(text: str, now: datetime, zone: ZoneInfo) -> None:
    for words in (text, f"resets {text}", f"try again in {text}"):
        found = reset_time(words, now, zone)
        assert found is None or (found.tzinfo is UTC and now - MINUTE <= found <= now + timedelta(days=400))


@pytest.mark.parametrize(
    "piece", ["resets ", "retry after ", "1h", "9", "resets 3pm (", "| 1", "in in in ", "resets_", "  ", "Jan 1 "]
)
def test_very_long_text_is_read_in_linear_time(piece: str) -> None:
    words = f"resets {piece * 200_000}"
    begun = time.thread_time()
    reset_time(words, NOW, BERLIN)
    assert time.thread_time() - begun < 2


@pytest.mark.parametrize("name", ["Europe/Berlin", "Australia/Lord_Howe", "America/Los_Angeles", "UTC"])
def test_the_system_zone_has_daylight_saving_time(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", name)
    time.tzset()
    try:
        for month in (1, 4, 7, 10):
            now = utc(2026, month, 25, 0, 10)
            assert reset_time("resets 3:30pm", now, system_zone()) == reset_time("resets 3:30pm", now, ZoneInfo(name))
            assert now.astimezone(system_zone()).utcoffset() == now.astimezone(ZoneInfo(name)).utcoffset()
    finally:
        monkeypatch.undo()
        time.tzset()


def _plain(moment: datetime) -> bool:
    """Whether a local time exists once, not skipped or repeated."""
    return moment.utcoffset() == moment.replace(fold=1 - moment.fold).utcoffset()
