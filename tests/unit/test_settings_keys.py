"""Every key of the settings does something."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import llm_gateway
import llm_gateway_engine_local
from llm_gateway.cli.reference import SettingKey, reference
from llm_gateway.settings import PluginSections, load_settings
from llm_gateway.settings.keys import FIXED_NAMES, OTHER_NAMES, env_keys

KERNEL = Path(llm_gateway.__file__).parent
READERS = "\n".join(
    path.read_text("utf-8") for path in KERNEL.rglob("*.py") if "settings" not in path.relative_to(KERNEL).parts
)
KEYS = reference()


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.key)
def test_lesson_58_every_key_is_read_by_the_kernel(key: SettingKey) -> None:
    if key.path[0] == "mcp_servers":  # the whole section is converted at once
        pattern = r"\.to_server\("
    elif len(key.path) == 2:
        pattern = rf"\w\.{key.path[0]}\.{key.path[1]}\b"
    else:
        pattern = rf"[\w\])]\.{key.path[-1]}\b"
    assert re.findall(pattern, READERS) != []


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_every_other_variable_is_read_or_set_by_the_kernel_or_its_engine(name: str) -> None:
    rooms = (KERNEL, Path(llm_gateway_engine_local.__file__).parent)
    readers = [path for room in rooms for path in room.rglob("*.py") if path.name != "keys.py"]
    everything = "\n".join(path.read_text("utf-8") for path in readers)
    assert f'"{name}"' in everything


VALUES = {
    "integer": "3",
    "number": "3",
    "boolean": "true",
    "string": "memory:",
    "path or none": "/x",
    "integer or none": "3",
    "number or none": "3",
}


#: Keys that have a least value.
LARGE = {"limits.output_bytes": "65536", "limits.memory_mb": "64", "limits.processes": "32"}


def some_value(key: SettingKey) -> str:
    return VALUES.get(key.type) or key.type.partition('"')[2].partition('"')[0]


@pytest.mark.parametrize("key", [key for key in KEYS if key.env], ids=lambda key: key.key)
def test_every_key_that_one_string_can_say_can_be_set_by_each_of_its_variables(key: SettingKey, tmp_path: Path) -> None:
    named = ".".join(key.path).replace("<name>", "parrot")
    for variable in key.env:
        name = variable.replace("<NAME>", "PARROT")
        value = LARGE.get(key.key) or some_value(key)
        sections = PluginSections(providers={"parrot": None}, configurable=frozenset({"parrot"}))
        settings = load_settings({"LLM_GATEWAY_HOME": str(tmp_path), name: value}, sections)
        assert settings.source(named) == name
        assert settings.warnings == ()


def test_no_two_keys_share_a_variable() -> None:
    names = [name for key in KEYS for name in key.env]
    assert len(names) == len(set(names))
    assert set(env_keys(PluginSections())) == {name for name in names if "<" not in name}
    assert not set(names) & set(OTHER_NAMES)
    assert set(FIXED_NAMES) < set(names)
