from dataclasses import replace

import pytest

from llm_gateway import Decision, Posture, ProviderInfo, Verdict, error_for
from llm_gateway.errors import ApprovalDenied, ApprovalNeeded, InvalidRequest
from llm_gateway.planning.approval import asked_posture, by_human, rule, usual_posture

pytestmark = pytest.mark.anyio
INFO = ProviderInfo(
    name="p",
    title="P",
    executable="p",
    postures=(Posture.READ_ONLY, Posture.PROMPTED, Posture.ACCEPT_EDITS, Posture.BYPASS),
)
ALLOW = Verdict(decision=Decision.ALLOW, policy="a")
ASK = Verdict(decision=Decision.ASK, policy="b", question="Really?")
DENY = Verdict(decision=Decision.DENY, policy="c", reasons=("No.",))


def test_the_levels_are_ordered() -> None:
    assert sorted(Posture, key=lambda level: level.rank) == list(Posture)
    assert Posture.READ_ONLY < Posture.PLAN < Posture.BYPASS
    assert Posture.BYPASS >= Posture.WORKSPACE_WRITE > Posture.ACCEPT_EDITS


def test_a_posture_and_its_other_spelling_must_agree() -> None:
    level = Posture.ACCEPT_EDITS
    assert asked_posture(INFO, given=level, spelled=level, default=None) is level
    with pytest.raises(InvalidRequest, match="posture says accept_edits"):
        asked_posture(INFO, given=level, spelled=Posture.BYPASS, default=None)


def test_without_a_posture_the_default_holds() -> None:
    assert asked_posture(INFO, given=None, spelled=None, default=None) is Posture.PROMPTED
    assert asked_posture(INFO, given=None, spelled=None, default=Posture.READ_ONLY) is Posture.READ_ONLY


def test_a_level_that_the_provider_cannot_hold_is_refused_with_the_nearest_lower_one() -> None:
    with pytest.raises(InvalidRequest, match="cannot hold") as caught:
        asked_posture(INFO, given=Posture.WORKSPACE_WRITE, spelled=None, default=None)
    assert caught.value.recovery == "The nearest it can hold is accept_edits."


def test_the_strictest_verdict_wins() -> None:
    with pytest.raises(ApprovalDenied, match=r"policy c denied this request: No\."):
        rule(INFO, Posture.PROMPTED, "mcp_managed", [ALLOW, DENY, ASK])
    with pytest.raises(ApprovalNeeded, match=r"Really\?"):
        rule(INFO, Posture.PROMPTED, "mcp_managed", [ALLOW, ASK])
    assert rule(INFO, Posture.PROMPTED, "mcp_managed", [ALLOW]).verdict is ALLOW


def test_an_organisations_policy_binds_under_legacy_too() -> None:
    with pytest.raises(ApprovalDenied):
        rule(INFO, Posture.BYPASS, "legacy", [DENY])


def test_the_lowest_posture_holds_and_approval_never_grants_more_than_was_asked() -> None:
    raise_it = Verdict(decision=Decision.ALLOW, policy="a", posture=Posture.BYPASS)
    lower_it = Verdict(decision=Decision.ALLOW, policy="b", posture=Posture.READ_ONLY)
    assert rule(INFO, Posture.PROMPTED, "x", [raise_it]).posture is Posture.PROMPTED
    assert rule(INFO, Posture.PROMPTED, "x", [raise_it, lower_it]).posture is Posture.READ_ONLY


def test_a_policy_that_lowers_to_a_level_the_provider_lacks_gets_the_nearest_lower_one() -> None:
    def lowered(level: Posture) -> Posture:
        verdict = Verdict(decision=Decision.ALLOW, policy="a", posture=level)
        return rule(INFO, Posture.BYPASS, "x", [verdict]).posture

    assert lowered(Posture.WORKSPACE_WRITE) is Posture.ACCEPT_EDITS
    assert lowered(Posture.PLAN) is Posture.READ_ONLY
    writer = replace(INFO, postures=(Posture.WORKSPACE_WRITE,), default_posture=Posture.WORKSPACE_WRITE)
    with pytest.raises(InvalidRequest, match="cannot hold the posture plan"):
        rule(writer, Posture.WORKSPACE_WRITE, "x", [replace(ALLOW, posture=Posture.PLAN)])


def test_where_policies_judge_a_request_that_names_no_posture_asks_for_what_the_provider_says() -> None:
    assert usual_posture(INFO, "legacy", None) is None
    assert usual_posture(INFO, "legacy", Posture.BYPASS) is Posture.BYPASS
    assert usual_posture(INFO, "mcp_managed", None) is Posture.ACCEPT_EDITS
    assert usual_posture(INFO, "mcp_managed", Posture.BYPASS) is Posture.ACCEPT_EDITS
    assert usual_posture(INFO, "mcp_managed", Posture.READ_ONLY) is Posture.READ_ONLY
    sandboxed = replace(INFO, approved_posture=Posture.PROMPTED)
    assert usual_posture(sandboxed, "mcp_managed", None) is Posture.PROMPTED
    poorer = replace(INFO, postures=(Posture.READ_ONLY, Posture.PROMPTED, Posture.WORKSPACE_WRITE))
    assert usual_posture(poorer, "mcp_managed", None) is Posture.PROMPTED


async def test_the_humans_word_takes_the_place_of_the_question_and_of_nothing_else() -> None:
    questions: list[str] = []

    async def human(question: str) -> bool | None:
        questions.append(question)
        return {"Really?": True, "no reason given": False}.get(question)

    approved = await by_human(human, [ALLOW, ASK])
    assert approved
    assert rule(INFO, Posture.PROMPTED, "x", [ALLOW, ASK], approved).verdict is approved
    lowering = replace(ASK, posture=Posture.READ_ONLY)
    assert rule(INFO, Posture.PROMPTED, "x", [lowering], approved).posture is Posture.READ_ONLY
    declined = await by_human(human, [replace(ASK, question=None)])
    with pytest.raises(ApprovalDenied, match="the human denied this request: asked: no reason given"):
        rule(INFO, Posture.PROMPTED, "x", [ASK], declined)
    assert await by_human(human, [replace(ASK, question="Anybody?")]) is None
    assert questions == ["Really?", "no reason given", "Anybody?"]
    assert await by_human(human, [ASK, DENY]) is None
    assert await by_human(human, [ALLOW]) is None
    assert await by_human(None, [ASK]) is None
    assert len(questions) == 3


def test_a_strategy_that_no_policy_knows_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no policy is installed for approvalStrategy 'mcp_managed'"):
        rule(INFO, Posture.PROMPTED, "mcp_managed", [])
    assert rule(INFO, Posture.PROMPTED, "legacy", []).verdict is None


def test_errors_say_what_to_do_on_the_wire() -> None:
    wire = error_for("saturated").to_wire()
    assert wire["code"] == "saturated"
    assert wire["retryable"] is True
    assert "send the request again" in wire["recovery"]
