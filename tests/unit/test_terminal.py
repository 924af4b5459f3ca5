"""Words of an agent on a terminal, in JSON and in a CI log."""

from __future__ import annotations

import io
import json
import unicodedata

import pytest
from hypothesis import given, strategies as st

from llm_gateway.cli import screen
from llm_gateway.terminal import escaped_json, for_stream, json_text, line_for, without_ci_commands, without_controls

HOSTILE = "a\x1b[2Jb\x1b]0;title\x07c\x9b31md\x9d8;;x\x9ce\u202ef\u2066g\u200eh\x7fi\x85j\rk\x08l\x1bPq\x1b\\m\x1bcn"


#: Characters that have no form of their own and change the order of others.
BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def harmless(text: str) -> bool:
    return all(
        one in "\n\t" or (unicodedata.category(one) not in ("Cc", "Zl", "Zp") and one not in BIDI) for one in text
    )


@given(
    st.text(
        st.sampled_from(
            "ab[]m;0?\\\n\t\x1b\x07\x08\r\x7f\x85\x9b\x9c\x9d\u202a\u202e\u2066\u2069\u200e\u061c\ufeff\u2028"
        )
    )
)
def test_whatever_is_said_nothing_of_it_moves_a_terminal(text: str) -> None:
    assert harmless(without_controls(text))
    assert harmless(for_stream(text, Terminal()))
    assert harmless(screen.one_line(text))


def test_a_sequence_goes_as_a_whole() -> None:
    assert without_controls(HOSTILE) == "abcdefghijklmn"


def test_a_program_is_given_the_words_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    assert for_stream(HOSTILE, io.StringIO()) == HOSTILE


@given(st.text())
def test_json_with_escapes_means_the_same(text: str) -> None:
    if any("\ud800" <= one <= "\udfff" for one in text):
        return
    written = json_text({"text": text, text: [text]})
    assert json.loads(written) == {"text": text, text: [text]}
    assert harmless(written)
    assert json.loads(escaped_json(json.dumps(text, ensure_ascii=False))) == text


def test_the_commands_own_colours_stay_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    green = screen.styled("good", "green", out)
    assert line_for(f"{green} \x1b[8m\x1b[32mhidden\x1b[2J", out) == "\x1b[32mgood\x1b[0m hidden"


@pytest.mark.parametrize("line", ["::error::x", "  ::add-mask::x", "##[error]x", "text\n::set-output name=x::y"])
def test_no_line_of_an_agent_is_a_command_to_a_ci_runner(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any(one.lstrip().startswith(("::", "##[")) for one in without_ci_commands(line).splitlines())
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert for_stream(line, io.StringIO()) == without_ci_commands(line)
