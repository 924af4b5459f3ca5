"""A conversation that could write goes on with `read_only`: the lower posture holds on the disk, whatever was permitted before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llm_gateway import Posture
from tests.real_clis.bubblewrap import path_with_bubblewrap
from tests.real_clis.test_postures_measured import measurable
from tests.real_clis.tools import shell, write

if TYPE_CHECKING:
    from tests.real_clis.agent import RealAgent

WRITING = (Posture.ACCEPT_EDITS, Posture.WORKSPACE_WRITE, Posture.BYPASS)


@pytest.mark.parametrize(
    ("name", "higher"),
    [row for row in measurable() if row[1] in WRITING],
    ids=lambda value: getattr(value, "value", value),
)
def test_a_lower_posture_holds_in_a_resumed_conversation(
    name: str, higher: Posture, request: pytest.FixtureRequest
) -> None:
    agent: RealAgent = request.getfixturevalue(name)
    agent.environ["PATH"] = path_with_bubblewrap()
    before, after = agent.work / "before.txt", [agent.work / f"after-{number}.txt" for number in range(3)]
    first = agent.ask(write(name, before), higher)
    assert before.exists(), f"{higher.value} writes: {first}"
    native = first.summary.native_id
    assert native
    for words in (
        write(name, after[0]),
        shell(name, f"touch {after[1]}"),
        shell(name, f"/usr/bin/python3 -c \"open('{after[2]}', 'w')\""),
    ):
        turn = agent.ask(words, Posture.READ_ONLY, after=native)
        assert turn.summary.native_id in (native, None), "it went on in another conversation"
    assert [path.name for path in after if path.exists()] == []
    said = agent.ask("HISTORY", Posture.READ_ONLY, after=native)
    assert before.name in said.text, f"the conversation was not continued: {said}"
