"""Where in a TOML file a key stands."""

from __future__ import annotations

from hypothesis import given, strategies as st

from llm_gateway.settings.lines import line_of, lines_of


def test_the_line_of_a_key_is_found_past_multi_line_strings_and_quotes() -> None:
    text = 'a = """\nb = 1\n[c]\n"""\nb = 2 # [d]\n[ "x.y" . z ]\n"q r" = 1\n[[many]]\nk = 1\n'
    lines = lines_of(text)
    assert lines[("b",)] == 5
    assert lines[("x.y", "z")] == 6
    assert lines[("x.y", "z", "q r")] == 7
    assert lines[("many", "k")] == 9
    assert line_of(("x.y", "z", "nowhere", "deep"), lines) == 6
    assert line_of(("nowhere",), lines) is None


@given(st.text())
def test_no_text_makes_the_search_for_lines_fail(text: str) -> None:
    assert all(1 <= line <= len(text.splitlines()) for line in lines_of(text).values())
