"""`llm-gateway config set` changes one key and nothing else."""

from __future__ import annotations

import copy

import pytest
import tomli
from hypothesis import given, strategies as st

from llm_gateway.cli.config_file import value_of, with_value
from llm_gateway.cli.exits import UsageError

FILE = """\
# mine
dedup_window_s = 7  # a week? no

[limits]
# few
running = 2

[providers.echo.env]
KEY = "x"
"""


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        (("limits", "running"), 4, "running = 4"),
        (("limits", "queued"), 9, "queued = 9"),
        (("dedup_window_s",), 1.5, "dedup_window_s = 1.5"),
        (("sync_deadline_s",), 3, "sync_deadline_s = 3"),
        (("store", "url"), "sqlite:///a b", 'url = "sqlite:///a b"'),
        (("providers", "echo", "env", "KEY"), "ä\n", 'KEY = "ä\\n"'),
        (("mcp_servers", "a.b", "args"), ["x", "y"], '[mcp_servers."a.b"]'),
    ],
)
def test_a_key_is_set_and_comments_stay(path: tuple[str, ...], value: object, line: str) -> None:
    changed = with_value(FILE, path, value)
    assert line in changed.splitlines()
    assert [one for one in changed.splitlines() if one.startswith("# ")] == ["# mine", "# few"]
    found = tomli.loads(changed)
    for name in path:
        found = found[name]
    assert found == value


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("limits = { running = 1 }\n", ("limits", "running")),
        ('[a]\nb = """\n[c]\nd = 1\n"""\n', ("c", "d")),
        ("a = [\n 1,\n]\n", ("a",)),
        ("a = 1\n", ("a", "b")),
        ("a = \n", ("b",)),
    ],
    ids=["inline", "text-block", "many-lines", "no-table", "broken"],
)
def test_what_cannot_be_changed_alone_is_refused(text: str, path: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        with_value(text, path, 2)


NAMES = st.sampled_from(["a", "b", "c d", "e"])
VALUES = st.one_of(st.integers(-9, 9), st.booleans(), st.text(max_size=9), st.lists(st.text(max_size=3), max_size=3))


@given(
    st.lists(st.tuples(st.lists(NAMES, min_size=1, max_size=3), VALUES), min_size=1, max_size=6),
)
def test_any_row_of_changes_says_what_was_set_or_is_refused(changes: list[tuple[list[str], object]]) -> None:
    text = ""
    for path, value in changes:
        before = tomli.loads(text)
        try:
            text = with_value(text, path, value)
        except UsageError:
            continue
        wanted = copy.deepcopy(before)
        inner = wanted
        for name in path[:-1]:
            inner = inner.setdefault(name, {})
        inner[path[-1]] = value
        assert tomli.loads(text) == wanted


@pytest.mark.parametrize(
    ("typed", "value"), [("7", 7), ("true", True), ('["a"]', ["a"]), ("plain words", "plain words"), ('"7"', "7")]
)
def test_a_value_is_toml_or_plain_text(typed: str, value: object) -> None:
    assert value_of(typed) == value
