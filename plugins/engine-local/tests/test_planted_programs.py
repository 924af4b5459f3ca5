"""Programs in the working directory."""

from __future__ import annotations

import pytest

from llm_gateway.model.invocation import EndReason


@pytest.mark.parametrize("name", ["planted", "./planted", "bin/planted"])
def test_a_program_that_lies_in_the_working_directory_is_not_run_for_one_that_is_missing(
    play, make_spec, tmp_path, name
):
    (tmp_path / "bin").mkdir()
    for place in (tmp_path / "planted", tmp_path / "bin" / "planted"):
        place.write_text("#!/bin/sh\necho pwned\n")
        place.chmod(0o755)
    spec = make_spec(argv=(name,), cwd=str(tmp_path))

    async def scene(engine):
        await engine.launch(spec)
        return await engine.wait(spec.job_id), engine.read_output(spec.job_id, "stdout", 0, 99)

    end, output = play(scene)
    assert (end.reason, output) == (EndReason.SPAWN_FAILED, b"")
    assert name in end.detail
