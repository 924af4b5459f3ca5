"""`verify --record`: what was seen is written into the provider's source, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llm_gateway_extension_verify.checks.text import shape_of
from llm_gateway_extension_verify.recording import NoSource, record


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    source = tmp_path / "providers" / "mine" / "src" / "mine_package"
    source.mkdir(parents=True)
    (source / "__init__.py").write_text("")
    (source / "contract.toml").write_text('package = "x"\nseen = ["1.2.0", "1.4.0"]\n')
    return tmp_path


def seen(version: str, *paths: str, ok: bool = True) -> dict[str, Any]:
    return {"version": version, "ok": ok, "shape": list(paths), "sample": "{}"}


def test_the_shape_is_what_every_recorded_version_has(checkout: Path) -> None:
    source = checkout / "providers" / "mine" / "src" / "mine_package"
    record(checkout, "mine_package", seen("1.4.0", "a", "b"))
    record(checkout, "mine_package", seen("1.2.0", "b", "c"))
    assert json.loads((source / "shape.json").read_text()) == {"versions": ["1.2.0", "1.4.0"], "paths": ["b"]}
    assert (checkout / "providers/mine/tests/samples/1.2.0/verify.stdout").read_text() == "{}"


@pytest.mark.parametrize(
    ("version", "ok", "line"),
    [
        ("1.10.0", True, '["1.2.0", "1.10.0"]'),
        ("1.0.0", True, '["1.0.0", "1.4.0"]'),
        ("1.3.0", True, '["1.2.0", "1.4.0"]'),
        ("1.10.0", False, '["1.2.0", "1.4.0"]'),
    ],
)
def test_the_contract_is_extended_to_a_version_that_keeps_it(version: str, ok: bool, line: str, checkout: Path) -> None:
    record(checkout, "mine_package", seen(version, "a", ok=ok))
    contract = checkout / "providers" / "mine" / "src" / "mine_package" / "contract.toml"
    assert contract.read_text() == f'package = "x"\nseen = {line}\n'


def test_another_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoSource):
        record(tmp_path, "mine_package", seen("1.4.0"))


def test_the_shape_of_an_output_is_its_keys() -> None:
    output = b'{"type": "x", "usage": {"gpt-5": {"in": 1}}, "list": [{"a": 1}, {"b": 2}]}\nnoise\n{"type": "y"}\n'
    assert shape_of(output) == {
        *("type=x.type", "type=x.usage", "type=x.usage.*", "type=x.usage.*.in"),
        *("type=x.list", "type=x.list[].a", "type=x.list[].b", "type=y.type"),
    }
    assert shape_of(b'[{"type": "z",\n "k": 1}]') == {"type=z.type", "type=z.k"}
