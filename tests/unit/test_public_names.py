"""What a plugin may import, and that importing it costs nothing before it is used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import llm_gateway


def test_public_names_are_sorted_and_each_is_there() -> None:
    assert list(llm_gateway.__all__) == sorted(set(llm_gateway.__all__))
    for name in llm_gateway.__all__:
        assert getattr(llm_gateway, name) is not None
        assert name in dir(llm_gateway)


def test_type_checkers_see_the_same_names_from_the_same_rooms() -> None:
    tree = ast.parse(Path(f"{llm_gateway.__file__}i").read_text("utf-8"))
    imports = {
        alias.name: node.module for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    written = next(node.value for node in tree.body if isinstance(node, ast.Assign))
    assert ast.literal_eval(written) == sorted(imports) == list(llm_gateway.__all__)
    for name, room in imports.items():
        assert getattr(llm_gateway, name) is getattr(sys.modules[room or ""], name)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = llm_gateway.Nothing


def test_importing_the_kernel_imports_nothing_heavy() -> None:
    code = "import sys, llm_gateway; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert not {"pydantic", "pluggy", "anyio", "stevedore", "tomli", "mcp"} & set(done.stdout.split())
