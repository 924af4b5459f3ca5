"""Sensitive places: every one of them, in every spelling, as a directory and by a tool."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from llm_gateway import Access, Decision, Opened, Posture, Prompt, Proposal, Request, quoted
from llm_gateway_policy_managed.judgement import judge
from llm_gateway_policy_managed.places import PRIVATE, SYSTEM

STRICTNESS = ("strict", "balanced", "permissive")


def propose(strictness: str = "balanced", **changes: Any) -> Proposal:
    own = {name: changes.pop(name) for name in ("tools", "private_places") if name in changes}
    request = Request(provider="echo", prompt=Prompt(text="x"), **{"working_dir": "/srv/project", **changes})
    return Proposal(
        request=request,
        posture=Posture.ACCEPT_EDITS,
        strategy="mcp_managed",
        strictness=strictness,
        bypass_allowed=False,
        **own,
    )


def decided(strictness: str = "balanced", **changes: Any) -> Decision:
    return judge(propose(strictness, **changes)).decision


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "people" / "ada"))
    monkeypatch.delenv("LLM_GATEWAY_HOME", raising=False)
    (tmp_path / "people" / "ada").mkdir(parents=True)
    return tmp_path / "people" / "ada"


PLACES = [*(f"~/{one}" for one in PRIVATE), *SYSTEM, "~/.llm-cli-gateway"]


def test_every_sensitive_place_is_denied_as_directory_and_to_a_tool() -> None:
    for place in PLACES:
        assert decided(working_dir=os.path.expanduser(place)) is Decision.DENY, place
        assert decided(allowed_tools=(f"Read({place}/**)",)) is Decision.DENY, place


@pytest.mark.parametrize(
    "place", [PLACES[0], SYSTEM[0], *(pytest.param(place, marks=pytest.mark.slow) for place in PLACES)]
)
def test_a_sensitive_place_is_denied_in_every_spelling_and_strictness(place: str, home: Path) -> None:
    path = os.path.expanduser(place)
    for where in (path, f"{path}/deeper", f"{path}/../{os.path.basename(path)}"):
        assert decided(working_dir=where) is Decision.DENY
        assert decided(add_dirs=(where,)) is Decision.DENY
    for strictness in STRICTNESS:
        for entry in (f"Read({place}/**)", f"Write({path})", f"Edit(/{path}/x*)"):
            assert decided(strictness, allowed_tools=(entry,)) is Decision.DENY, entry


@pytest.mark.parametrize("place", ["~/.SSH", "~/.Ssh/keys", "/ETC", "~/.ｓｓｈ", "~/.bashRC"])
def test_another_spelling_that_some_disks_take_for_the_same_is_denied_too(place: str) -> None:
    assert decided(working_dir=os.path.expanduser(place)) is Decision.DENY
    assert decided(allowed_tools=(f"Read({place})",)) is Decision.DENY


@pytest.mark.parametrize(
    "entry", ["Read(/**)", "Read(~/**)", "Edit(~)", "Read(/*)", "Grep(../../../../**)", "Read(**/../**)"]
)
def test_a_tool_that_opens_what_holds_a_sensitive_place_is_denied(entry: str, home: Path) -> None:
    (home / ".ssh").mkdir()
    for strictness in STRICTNESS:
        assert decided(strictness, allowed_tools=(entry,)) is Decision.DENY, entry


def test_a_tool_through_a_link_in_the_working_directory_is_judged_by_where_it_leads(home: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (home / ".ssh").mkdir()
    (work / "link").symlink_to(home / ".ssh")
    (work / "out").symlink_to(tmp_path)
    given = {"working_dir": str(work)}
    assert decided(allowed_tools=("Read(link/**)",), **given) is Decision.DENY
    assert decided(allowed_tools=("Read(src/**)", "Read"), **given) is Decision.ALLOW
    assert decided(allowed_tools=("Read(out/people/bob/**)",), **given) is Decision.ASK


def test_outside_is_asked_or_denied_and_inside_passes() -> None:
    outside = {"allowed_tools": ("Read(/srv/other/**)",)}
    assert [decided(one, **outside) for one in STRICTNESS] == [Decision.DENY, Decision.ASK, Decision.ASK]
    assert (
        decided("strict", allowed_tools=("Read", "Edit(src/**)", "Write(./**)", "Read(/srv/project/a)"))
        is Decision.ALLOW
    )
    assert decided("balanced", add_dirs=("/srv/other",), **outside) is Decision.ALLOW
    assert decided("strict", allowed_tools=("Read(/srv/project-2/**)",)) is Decision.DENY, "a name that begins alike"


def test_what_the_provider_says_counts_and_what_it_does_not_say_is_the_worst() -> None:
    def said(access: Access, *places: str) -> Decision:
        return decided(allowed_tools=("Thing",), tools=(Opened(entry="Thing", access=access, places=places),))

    assert said(Access.LOOK) is Decision.ALLOW
    assert said(Access.LOOK, "~/.ssh") is Decision.DENY
    assert said(Access.EDIT, "/srv/other") is Decision.ASK
    assert said(Access.SHELL) is Decision.ASK
    assert said(Access.EVERYTHING) is Decision.DENY
    for entry, wanted in (("Read", Decision.DENY), ("Bash", Decision.ASK), ("mcp__x", Decision.ALLOW)):
        unknown = (Opened(entry=entry, access=Access.UNKNOWN),)
        assert decided(allowed_tools=(entry,), tools=unknown) is wanted


def test_the_places_of_the_gateway_and_of_every_agent_are_sensitive(tmp_path: Path) -> None:
    place = tmp_path / "agents" / "one"
    given: dict[str, Any] = {"private_places": (str(place),)}
    assert decided(working_dir=str(tmp_path / "agents"), **given) is Decision.ALLOW, "nothing is there yet"
    place.mkdir(parents=True)
    assert decided(working_dir=str(place / "x"), **given) is Decision.DENY
    assert decided(working_dir=str(tmp_path / "agents"), **given) is Decision.DENY
    assert decided(allowed_tools=(f"Read({place}/**)",), **given) is Decision.DENY


def test_a_home_in_one_of_the_systems_places_is_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    root = next(place for place in SYSTEM if place.endswith("root"))
    monkeypatch.setenv("HOME", root)
    assert decided(working_dir=f"{root}/project") is Decision.ALLOW
    assert decided(working_dir=f"{root}/.ssh") is Decision.DENY
    assert decided(working_dir=f"{root}/.bashrc") is Decision.DENY
    monkeypatch.setenv("HOME", "/nowhere/ada")
    assert decided(working_dir=f"{root}/project") is Decision.DENY


HOSTILE = "/srv/p\nLet echo run in /srv with the posture read_only?\u202e\x1b[2J\u2028\u200b"


@pytest.mark.parametrize("changes", [{"working_dir": HOSTILE}, {"allowed_tools": (f"Bash({HOSTILE})",)}])
def test_questions_quote_what_a_caller_wrote(changes: dict[str, Any]) -> None:
    verdict = judge(propose("balanced", **{"allowed_tools": ("Bash",), **changes}))
    assert verdict.decision is Decision.ASK
    assert verdict.question is not None
    assert quoted(next(iter(changes.values())) if "working_dir" in changes else changes["allowed_tools"][0]) in (
        verdict.question
    )
    for text in (verdict.question, *verdict.reasons):
        assert text.isprintable(), repr(text)


def test_a_question_is_bounded() -> None:
    many = tuple(f"Bash({'x' * 900} {number})" for number in range(200))
    question = judge(propose("balanced", allowed_tools=many, working_dir="/srv/" + "y" * 3000)).question
    assert question is not None
    assert len(question) < 4000
    assert "190 more" in question


@given(st.text(max_size=400))
def test_a_quoted_value_is_one_printable_line_and_cannot_end_its_quotation(value: str) -> None:
    shown = quoted(value)
    assert shown.isprintable()
    if not shown.startswith('"'):
        assert shown == value
        assert " " not in shown
        return
    inner, _, rest = shown[1:].rpartition('"')
    assert '"' not in inner.replace("\\\\", "").replace('\\"', "")
    assert rest == "" or rest.startswith(" (and ")


def test_a_proposal_without_tools_is_not_changed_by_the_places_of_others() -> None:
    assert judge(replace(propose(), private_places=("/elsewhere",))) == judge(propose())
