"""Pure parts: which URLs lead to a file of the store, how scripts are cut, what an import costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from llm_gateway_store_sqlite.database import statements
from llm_gateway_store_sqlite.plugin import gateway_open_store
from llm_gateway_store_sqlite.store import SqliteStore


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:", "/home/of/gateway.db"),
        ("sqlite://", "/home/of/gateway.db"),
        ("sqlite:///", "/home/of/gateway.db"),
        ("sqlite:///var/lib/x.db", "/var/lib/x.db"),
    ],
)
def test_urls_lead_to_files(url: str, path: str) -> None:
    store = gateway_open_store(url, "/home/of")
    assert isinstance(store, SqliteStore)
    assert store.path == path
    assert store.url == f"sqlite://{path}"


def test_other_urls_are_not_ours_and_a_relative_path_is_refused() -> None:
    assert gateway_open_store("postgres://host/db", "/home/of") is None
    assert gateway_open_store("sqlite", "/home/of") is None
    with pytest.raises(ValueError, match="absolute"):
        gateway_open_store("sqlite://relative.db", "/home/of")


def test_the_entry_point_is_cheap_to_import() -> None:
    script = "import sys, llm_gateway_store_sqlite.plugin; print(sorted({'sqlite3', 'pydantic', 'anyio'} & set(sys.modules)))"
    told = subprocess.run((sys.executable, "-c", script), capture_output=True, text=True, timeout=30, check=True)
    assert told.stdout.strip() == "[]"


def test_scripts_are_cut_at_the_ends_of_their_statements() -> None:
    script = "-- why; really\nCREATE TABLE a (b DEFAULT ';');\nCREATE INDEX c\n  ON a (b);\n-- end\n"
    assert [statement.split()[-1] for statement in statements(script)] == ["';');", "(b);"]
    with pytest.raises(ValueError, match="without an end"):
        statements("CREATE TABLE a (b)")
