import hashlib

import pytest
from hypothesis import given, strategies as st

from llm_gateway.errors import InputTooLarge, InvalidRequest
from llm_gateway.planning.prompt import MAX_PROMPT_BYTES, join_prompt


@pytest.mark.parametrize("text", ["-x", "--help", "/cost", "@file", "resume", "  spaced\n\n", "ünï-日本"])
def test_a_prompt_is_taken_as_it_is(text: str) -> None:
    assert join_prompt(text, None).text == text


@pytest.mark.parametrize("text", ["", " ", "\n\t "])
def test_a_blank_prompt_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="blank"):
        join_prompt(text, None)


def test_lesson_24_a_nul_byte_is_refused_and_not_echoed() -> None:
    with pytest.raises(InvalidRequest, match="NUL byte") as caught:
        join_prompt("secret\0word", None)
    assert "secret" not in caught.value.message


def test_a_prompt_of_ten_megabytes_passes_and_one_byte_more_does_not() -> None:
    assert len(join_prompt("x" * MAX_PROMPT_BYTES, None).text) == MAX_PROMPT_BYTES
    with pytest.raises(InputTooLarge):
        join_prompt("x" * (MAX_PROMPT_BYTES + 1), None)
    with pytest.raises(InputTooLarge):
        join_prompt("日" * (MAX_PROMPT_BYTES // 3 + 1), None)


def test_exactly_one_of_prompt_and_parts_is_taken() -> None:
    with pytest.raises(InvalidRequest, match="provide exactly one of prompt or promptParts"):
        join_prompt("a", {"task": "b"})
    with pytest.raises(InvalidRequest, match="one of prompt or promptParts is required"):
        join_prompt(None, None)


def test_parts_are_joined_in_one_order_whatever_order_they_come_in() -> None:
    parts = {"task": "do", "context": "file", "system": "be", "tools": ""}
    prompt = join_prompt(None, parts)
    assert prompt.text == "be\n\nfile\n\ndo"
    assert prompt.prefix == "be\n\nfile"
    assert prompt.prefix_sha256 == hashlib.sha256(b"be\n\nfile").hexdigest()


@given(st.text(min_size=1).filter(lambda t: "\0" not in t and t.isprintable()), st.text("ab ", min_size=1))
def test_the_prefix_never_changes_with_the_task(context: str, task: str) -> None:
    one, two = (join_prompt(None, {"context": context, "task": t + "!"}) for t in (task, task + "?"))
    assert one.prefix == two.prefix == context
    assert one.prefix_sha256 == two.prefix_sha256


@pytest.mark.parametrize(
    ("marks", "marked"),
    [
        (("system",), "be"),
        (("system", "context"), "be\n\nfile"),
        (("context",), "be\n\nfile"),
        (("tools",), "be"),
        ((), ""),
    ],
)
def test_a_mark_ends_with_the_last_part_that_was_marked(marks: tuple[str, ...], marked: str) -> None:
    prompt = join_prompt(None, {"system": "be", "tools": None, "context": "file", "task": "do"}, marks)
    assert prompt.text[: prompt.marked_chars] == marked
    assert prompt.cache_control == marks


def test_a_mark_on_nothing_is_no_mark() -> None:
    prompt = join_prompt(None, {"system": None, "context": "file", "task": "do"}, ("system",))
    assert (prompt.marked_chars, prompt.cache_control) == (0, ())
