"""One table comes into a TOML file and goes again, and nothing else moves."""

from __future__ import annotations

import pytest
import tomli

from llm_gateway_extension_connect.toml import TomlTable

TABLE = TomlTable(key="mcp_servers", name="llm-gateway")
ARRAY = TomlTable(key="mcp_servers", name="llm-gateway", array=True)
ENTRY = {"command": "/opt/größer/llm-gateway", "args": ["serve"], "env": {"A": "b"}}
NAMED = {"name": "llm-gateway", **ENTRY}
ODD = '# mine\nmodel = "x"   # why\nlist = [ "a",\n "b" ] # c\nwhen = 2026-01-01\n\n'
TABLES = {
    "none": ODD,
    "empty": "",
    "some": ODD + '[mcp_servers.a]\ncommand = "x"\n\n[profiles.p]\nmodel="y"',
    "out of order": '[mcp_servers.a]\ncommand = "x"\n[tools]\nz=1\n[mcp_servers.b]\ncommand = "y"\n',
    "windows": 'model = "x"\r\n\r\n[mcp_servers.a]\r\ncommand = "x"\r\n',
    "in one line": 'mcp_servers = { a = { command = "x" } }\nz = 1\n',
}
ARRAYS = {
    "none": ODD,
    "some": ODD + '[[mcp_servers]]\nname = "a"\ncommand = "x"\n\n[tools.bash]\npermission="ask"\n',
    "in one line": "mcp_servers = []\nz = 1\n[tools]\ny = 2\n",
}
CASES = [
    *(pytest.param(TABLE, ENTRY, text, id=f"table {name}") for name, text in TABLES.items()),
    *(pytest.param(ARRAY, NAMED, text, id=f"array {name}") for name, text in ARRAYS.items()),
]


@pytest.mark.parametrize(("shape", "entry", "text"), CASES)
def test_what_is_added_is_found_and_nothing_else_has_moved(
    shape: TomlTable, entry: dict[str, object], text: str
) -> None:
    after = shape.add(text, entry)
    assert shape.find(after) == entry
    assert tomli.loads(after.replace("\r\n", "\n"))
    rest = iter(after)
    assert all(letter in rest for letter in text)


@pytest.mark.parametrize(("shape", "entry", "text"), CASES)
def test_what_is_removed_leaves_the_text_as_it_was_but_for_space(
    shape: TomlTable, entry: dict[str, object], text: str
) -> None:
    assert shape.remove(shape.add(text, entry)).split() == text.split()


def test_an_entry_that_its_owner_rewrote_goes_and_comments_stay() -> None:
    text = '# a\n[mcp_servers.a]\ncommand = "x"  # b\n\n[mcp_servers.llm-gateway]\nargs=["serve"]\ncommand="y"\n\n# c\n[z]\nk = 1\n'
    after = TABLE.remove(text)
    assert "llm-gateway" not in after
    assert '# a\n[mcp_servers.a]\ncommand = "x"  # b\n' in after
    assert after.endswith("[z]\nk = 1\n")


@pytest.mark.parametrize("text", ["= 1", "mcp_servers = 3", "[mcp_servers]\na = ", "mcp_servers = []"])
def test_what_cannot_be_edited_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        TABLE.add(text, ENTRY)
