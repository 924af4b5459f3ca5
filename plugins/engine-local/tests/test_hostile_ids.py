"""Ids and names that would lead out of a job's folder."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

import anyio
import pytest
from hypothesis import given, strategies as st

from llm_gateway_engine_local.engine import LocalEngine
from llm_gateway_engine_local.spool.folder import plain_parts

WAYS_OUT = [
    "..",
    ".",
    "",
    "/",
    "../x",
    "a/../../x",
    "/etc",
    "a/b",
    "a\0b",
    "~",
    "-x",
    "job\n",
    "x" * 300,
    "é",
    "a\\..\\b",
]
NAMES = st.one_of(st.sampled_from(WAYS_OUT), st.text(max_size=40), st.text("./a\0", max_size=12))


@given(name=NAMES)
def test_no_id_leads_out_of_the_folder_of_jobs(name: str) -> None:
    with tempfile.TemporaryDirectory() as world:
        outside = Path(world) / "stdout"
        outside.write_text("canary")
        engine = LocalEngine(Path(world) / "home")
        with suppress(ValueError):
            assert engine.read_output(name, "stdout", 0, 99) == b""
        with suppress(ValueError):
            assert not engine.view(name).known
        with suppress(ValueError):
            engine.forget(name)
        assert outside.read_text() == "canary"


@pytest.mark.parametrize("name", [name for name in WAYS_OUT if name not in ("job", "x")])
def test_a_cancel_of_an_invalid_id_creates_nothing(name: str, tmp_path: Path) -> None:
    engine = LocalEngine(tmp_path / "home")

    async def cancel() -> None:
        await engine.aopen()
        try:
            with pytest.raises(ValueError, match="is not a job id"):
                await engine.cancel(name)
        finally:
            await engine.aclose()

    anyio.run(cancel)
    assert list(tmp_path.iterdir()) == []


@given(name=NAMES)
def test_a_file_of_a_run_has_a_plain_name_or_none(name: str) -> None:
    try:
        parts = plain_parts(name)
    except ValueError:
        return
    assert Path("/folder").joinpath(*parts).is_relative_to("/folder")
    assert ".." not in parts
