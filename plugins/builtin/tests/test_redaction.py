"""No secret is kept, and no text takes long."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from llm_gateway_extension_builtin.records.redaction import GONE, KEPT, cut, redacted

SECRET = "correct-horse-battery"


def test_known_values_go_wherever_they_stand() -> None:
    text = f'{SECRET} x{SECRET}y {{"a": "{SECRET}"}}'
    assert redacted(text, [SECRET]) == f'{GONE} x{GONE}y {{"a": "{GONE}"}}'


def test_of_two_values_of_which_one_begins_the_other_both_go_whole() -> None:
    assert redacted(f"{SECRET}-staple", [SECRET, f"{SECRET}-staple"]) == GONE


def test_short_values_stay_for_they_stand_in_any_text() -> None:
    assert redacted("on and on", ["on"]) == "on and on"


@pytest.mark.parametrize(
    "secret",
    [
        "sk-ant-api03-" + "a1B2" * 10,
        "sk-proj-" + "x9" * 20,
        "xai-" + "q" * 30,
        "ghp_" + "A1" * 18,
        "github_pat_" + "1A" * 20,
        "AKIA" + "ABCD" * 4,
        "AIza" + "b" * 35,
        "xoxb-123456789012-abcdefghij",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "glpat-" + "z" * 20,
    ],
)
def test_what_looks_like_a_key_goes(secret: str) -> None:
    for around in ("{}", "use {} now", "KEY={}", '"{}"', "({})", "Bearer {}"):
        assert secret not in redacted(around.format(secret))


@pytest.mark.parametrize(
    "line",
    [
        "password: hunter22",
        "API_KEY=hunter22",
        '"secret": "hunter22"',
        "Authorization: Bearer hunter22",
        "token = 'hunter22'",
    ],
)
def test_what_is_called_a_secret_goes(line: str) -> None:
    assert "hunter22" not in redacted(line)


def test_a_password_in_an_address_goes_and_the_address_stays() -> None:
    assert redacted("postgres://ada:hunter22@db/x") == f"postgres://ada:{GONE}@db/x"


def test_a_private_key_goes_whole_also_without_an_end() -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----"
    assert redacted(f"a {key} b {key} c") == f"a {GONE} b {GONE} c"
    assert redacted("a -----BEGIN PRIVATE KEY-----\nMIIE") == f"a {GONE}"
    certificate = "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----"
    assert redacted(certificate) == certificate


def test_plain_words_stay_as_they_are() -> None:
    text = "The token count is 12; see src/keys.py:40 and https://example.org/a?b=c, commit 3f9ac21d, skimming sk-1."
    assert redacted(text) == text


def test_half_a_surrogate_pair_does_not_reach_the_store() -> None:
    assert cut("a\udc80b", redacted) == "a?b"


def seconds(text: str, clean: Callable[[str], str] = redacted) -> float:
    """Of this thread's own work: what else the machine does is no business of ours."""
    start = time.thread_time()
    clean(text)
    return time.thread_time() - start


HOSTILE = {
    "letters": "a",
    "base64": "QUJD+/9=",
    "begins": "-----BEGIN ",
    "private": "-----BEGIN PRIVATE KEY ",
    "tokens": "token",
    "colons": "://a:",
    "jwt": "eyJ",
    "spaces": "token ",
    "equals": "token=",
    "dots": "sk-.",
    "quotes": "\"'",
    "url": "://",
}


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
def test_lesson_11b_and_87_time_is_linear_in_the_text(piece: str) -> None:
    line = piece * (80_000 // len(piece))
    assert min(seconds(line) for _ in range(5)) < 0.050  # 10 ms and less on a quiet machine
    short, long = (min(seconds(piece * (size // len(piece))) for _ in range(2)) for size in (100_000, 800_000))
    assert long < max(short, 0.002) * 8 * 4


def test_lesson_87_eighty_thousand_letters_take_less_than_ten_milliseconds() -> None:
    assert min(seconds("k" * 80_000) for _ in range(5)) < 0.010


def test_lesson_11b_ten_megabytes_in_one_line_are_bounded() -> None:
    line = "QUJDREVG" * 1_310_720
    assert seconds(line, lambda text: cut(text, lambda part: redacted(part, ["x" * 40] * 50))) < 0.5
    assert len(cut(line, redacted)) < 2 * KEPT + 100


@given(before=st.integers(0, 40), at=st.integers(-60, 60), tail=st.booleans())
def test_a_secret_at_the_edge_of_what_is_kept_is_not_cut_in_two(before: int, at: int, tail: bool) -> None:
    place = KEPT + at if not tail else 3 * KEPT - KEPT + at
    text = "." * place + SECRET + "." * (3 * KEPT - place - len(SECRET))
    kept = cut(text, lambda part: redacted(part, [SECRET]))
    assert not any(SECRET[:n] in kept for n in (len(SECRET), 12, 6))
    assert not any(SECRET[-n:] in kept for n in (12, 6))
