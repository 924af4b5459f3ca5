"""The pure functions of the command: parsing, output, masking."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest

from llm_gateway.cli import screen
from llm_gateway.cli.failures import UsageError, explain
from llm_gateway.cli.masking import masked_url
from llm_gateway.cli.parsing import duration_s, parameters
from llm_gateway.cli.versions import in_range
from llm_gateway.terminal import line_for
from llm_gateway_extension_builtin.demo.diff import MAX_BYTES, change_to_review


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("1.5s", 1.5), ("10m", 600), ("2h", 7200)])
def test_a_time_has_a_unit_or_is_seconds(text: str, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "1d", "m", "1e9", "inf"])
def test_an_invalid_time_is_wrong_usage(text: str) -> None:
    with pytest.raises(UsageError):
        duration_s(text)


def test_the_value_of_a_parameter_is_json_or_plain_text() -> None:
    assert parameters(["a=1", "b=true", "c=plan", 'd=["x"]', "e=a=b", 'f="1"']) == {
        "a": 1,
        "b": True,
        "c": "plan",
        "d": ["x"],
        "e": "a=b",
        "f": "1",
    }
    with pytest.raises(UsageError):
        parameters(["a=1", "a=2"])


def test_text_of_a_model_cannot_control_a_terminal() -> None:
    hostile = "a\x1b[2Jb\x1b]0;title\x07c\r\nd\te"
    assert screen.shown(hostile, Terminal()) == "abc\nd\te"
    assert screen.shown(hostile, io.StringIO()) == hostile
    assert screen.one_line("a\x1b[31m\n b\x00") == "a b"


def test_colour_is_only_for_a_terminal_without_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert line_for(screen.styled("x", "red", Terminal()), Terminal()) == "\x1b[31mx\x1b[0m"
    assert screen.styled("x", "red", io.StringIO()) == "x"
    monkeypatch.setenv("NO_COLOR", "1")
    assert screen.styled("x", "red", Terminal()) == "x"


def test_an_address_is_shown_without_possible_secrets() -> None:
    assert masked_url("sqlite:") == "sqlite:"
    assert masked_url("sqlite:///a/b.db") == "sqlite:///a/b.db"
    assert masked_url("postgresql://me:pw@host:1/db?password=x") == "postgresql://***@host:1/db?***"


@pytest.mark.parametrize(
    ("version", "comparison"),
    [
        ("1.2.0", "yes"),
        ("1.10", "yes"),
        ("1.1.9", "older"),
        ("2.0.1", "newer"),
        ("2", "yes"),
        ("2.0.0-rc.1", "unreleased"),
        ("1.5.0-nightly.2", "unreleased"),
    ],
)
def test_a_version_is_compared_by_numbers(version: str, comparison: str) -> None:
    assert in_range(version, ("1.2", "2.0")) == comparison


def test_a_bug_keeps_its_traceback() -> None:
    assert explain(ZeroDivisionError()) is None


def test_the_demo_reviews_the_last_change_of_the_repository_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    title, diff = change_to_review()
    assert "example" in title
    assert diff.startswith("diff --git")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
    (tmp_path / "file").write_text("€ line\n" * 20_000)
    for arguments in (["init", "-q"], ["add", "file"], ["commit", "-q", "-m", "A large change"]):
        subprocess.run([*git, *arguments], check=True)
    title, diff = change_to_review()
    assert title.endswith("A large change")
    assert MAX_BYTES <= len(diff.encode()) + 100 <= MAX_BYTES + 200
    assert "more bytes]" in diff
