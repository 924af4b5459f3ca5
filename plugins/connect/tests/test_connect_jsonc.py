"""One entry comes into a JSON file and goes again, and nothing else moves."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from llm_gateway_extension_connect.jsonc import JsonMap

SHAPE = JsonMap(key="servers", name="ours")
ENTRY = {"command": "/opt/größer/llm-gateway", "args": ["serve"]}
TEXTS = {
    "tidy": '{\n  "a": 1,\n  "servers": {\n    "x": {"command": "x"}\n  },\n  "z": [1, 2]\n}\n',
    "one line": '{"a":1,"servers":{"x":{}},"n":1.0,"u":"\\u00fc"}',
    "tabs": '{\n\t"servers": {\n\t\t"x": {}\n\t}\n}',
    "comments": '// top\n{\n  // why\n  "servers": {\n    "x": {} // "not": "this"\n    /* last */\n  } // end\n}\n// bottom',
    "last commas": '{\n  "servers": {\n    "x": {},\n  },\n}\n',
    "windows": '{\r\n  "servers": {\r\n    "x": {}\r\n  }\r\n}\r\n',
    "no servers": '{\n    "theme": "dark"  // nice\n}\n',
    "no servers, one line": '{"theme": "}"}',
    "braces in words": '{\n  "note": "a \\" } // no",\n  "servers": {\n    "x": {"y": "/* { */"}\n  }\n}',
    "a mark before it": '\ufeff{\n  "servers": {\n    "x": {}\n  }\n}',
    "comment behind a comma": '{\n  "servers": {\n    "x": {}, // last\n  }\n}',
}
every_text = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)


@every_text
def test_what_is_added_is_found_and_nothing_else_has_moved(text: str) -> None:
    after = SHAPE.add(text, ENTRY)
    assert SHAPE.find(after) == ENTRY
    rest = iter(after)
    assert all(letter in rest for letter in text), "the old text, with something put in"


@pytest.mark.parametrize("text", [text for name, text in TEXTS.items() if not name.startswith("no servers")])
def test_what_is_removed_leaves_the_text_as_it_was(text: str) -> None:
    assert SHAPE.remove(SHAPE.add(text, ENTRY)) == text


@pytest.mark.parametrize(
    "text", ["", "\n", "{}", "{\n}\n", '{"servers": {}}', '{\n  "servers": {\n  }\n}', "{\n  // empty\n}"]
)
def test_a_file_with_nothing_in_it_gets_the_entry(text: str) -> None:
    after = SHAPE.add(text, ENTRY)
    assert SHAPE.find(after) == ENTRY
    assert SHAPE.find(SHAPE.remove(after)) is None


def test_an_entry_that_others_were_put_behind_goes_alone() -> None:
    text = '{\n  "servers": {\n    "ours": {"command": "x"}, // mine\n    "y": {}\n  }\n}'
    assert SHAPE.remove(text) == '{\n  "servers": { // mine\n    "y": {}\n  }\n}'


@pytest.mark.parametrize("text", ["[]", '{"servers": []}', '{"servers": ', "{} {}", '{"a": 1 "b": 2}', "servers: {}"])
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        SHAPE.add(text, ENTRY)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(
    st.dictionaries(st.text().filter(lambda name: name != "servers"), values),
    st.dictionaries(st.text().filter(lambda name: name != "ours"), values, min_size=1),
    st.sampled_from([None, 1, 2, 4, "\t"]),
    st.booleans(),
)
def test_any_json_file_says_the_same_afterwards(
    others: dict[str, object], servers: dict[str, object], indent: int | str | None, plain: bool
) -> None:
    whole = {**others, "servers": servers}
    text = json.dumps(whole, indent=indent, ensure_ascii=plain)
    after = SHAPE.add(text, ENTRY)
    assert json.loads(after) == {**whole, "servers": {**servers, "ours": ENTRY}}
    assert SHAPE.remove(after) == text


@pytest.mark.parametrize(
    "text", ['{"a":' * 20_000, '{"a":' + "[" * 20_000 + "]" * 20_000 + "}"], ids=["objects", "lists"]
)
def test_fuzzing_found_that_a_text_nested_too_deep_was_no_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="too deep"):
        SHAPE.find(text)


def test_fuzzing_found_that_a_string_without_end_took_minutes() -> None:
    with pytest.raises(ValueError, match="Unterminated"):
        SHAPE.find('{"a": "' + '\\"' * 30_000)
