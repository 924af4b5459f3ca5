"""The contract of a policy, for the author of one.

class TestHouse(PolicyContract):
    plugin = my_policy
    name = "house"
    judges = frozenset({"mcp_managed", "legacy"})     # the strategies of which it always has an opinion, if any
    allows_bypass = False                             # whether it ever lets the highest level pass
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any, ClassVar

import pytest
from hypothesis import given, strategies as st

from llm_gateway import (
    Decision,
    Invocation,
    McpServer,
    NativeSessionId,
    OutputReader,
    PluginHost,
    Posture,
    Prompt,
    Proposal,
    ProviderInfo,
    Request,
    Resume,
    Verdict,
    find_plugins,
    hookimpl,
)
from llm_gateway_testing.contract.provider_case import bounded

words = st.text(max_size=40)
requests = st.builds(
    Request,
    provider=st.sampled_from(["pupil", "another"]),
    prompt=st.builds(Prompt, text=words.map(lambda text: f"x{text}")),
    model=st.none() | words,
    working_dir=st.sampled_from(["/", "/tmp", "/no/such/folder", "/srv/prod/deep", "relative"]) | words,  # noqa: S108
    add_dirs=st.lists(words, max_size=2).map(tuple),
    allowed_tools=st.lists(words, max_size=2).map(tuple),
    mcp_servers=st.lists(st.builds(McpServer, name=words, command=words), max_size=1).map(tuple),
    max_budget_usd=st.none() | st.floats(0, 1e9) | st.just(float("inf")),
    max_turns=st.none() | st.integers(1, 10**9),
    timeout_s=st.floats(0.1, 1e9),
    principal=st.sampled_from(["local", "somebody"]),
)
proposals = st.builds(
    Proposal,
    request=requests,
    posture=st.sampled_from(list(Posture)),
    strategy=st.sampled_from(["legacy", "mcp_managed", "no-such-strategy"]),
    strictness=st.sampled_from(["strict", "balanced", "permissive"]),
    bypass_allowed=st.booleans(),
)


class PolicyContract:
    """All that every policy must do."""

    plugin: ClassVar[object]  #: the module or object that the entry point names
    name: ClassVar[str]  #: the entry point's name
    judges: ClassVar[frozenset[str]] = frozenset()  #: strategies of which it has an opinion on every proposal
    allows_bypass: ClassVar[bool] = True  #: False: it lets the highest level pass for nobody

    @property
    def host(self) -> PluginHost:
        """A host with this plugin and one small provider."""
        return _host(self.name, self.plugin)

    def judge(self, proposal: Proposal) -> Verdict | None:
        """Ask the policy, through the hook, as the gateway does."""
        return dict(self.host.approve(proposal)).get(self.name)

    def proposal(self, posture: Posture = Posture.PROMPTED, **changes: Any) -> Proposal:
        """A harmless proposal."""
        plain = Proposal(
            request=Request(provider="pupil", prompt=Prompt(text="hello"), working_dir="/"),
            posture=posture,
            strategy="mcp_managed",
            strictness="balanced",
            bypass_allowed=False,
        )
        return replace(plain, **changes)

    def test_it_is_let_in(self) -> None:
        assert not self.host.problems

    @bounded
    @given(proposal=proposals)
    def test_lesson_49_it_never_grants_more_than_was_asked(self, proposal: Proposal) -> None:
        verdict = self.judge(proposal)
        if verdict is not None and verdict.posture is not None:
            assert verdict.posture <= proposal.posture

    @bounded
    @given(proposal=proposals)
    def test_it_never_raises_and_never_answers_with_something_else(self, proposal: Proposal) -> None:
        verdict = self.judge(proposal)
        assert verdict is None or verdict.policy, "a verdict says who judged"
        assert not self.host.problems, self.host.problems
        if verdict is not None:
            assert not any(f"plugin {self.name} failed" in reason for reason in verdict.reasons), verdict.reasons

    @bounded
    @given(proposal=proposals)
    def test_who_is_refused_or_asked_is_told_why(self, proposal: Proposal) -> None:
        verdict = self.judge(proposal)
        if verdict is not None and verdict.decision is not Decision.ALLOW:
            assert any(reason.strip() for reason in verdict.reasons) or (verdict.question or "").strip()

    @bounded
    @given(proposal=proposals)
    def test_the_same_proposal_gets_the_same_verdict(self, proposal: Proposal) -> None:
        assert self.judge(proposal) == self.judge(proposal)

    @bounded
    @given(proposal=proposals, canary=st.just("canary-of-a-prompt"))
    def test_lesson_82_the_words_of_a_prompt_are_not_in_its_reasons(self, proposal: Proposal, canary: str) -> None:
        request = replace(proposal.request, prompt=Prompt(text=f"{canary} rm -rf / {canary}"))
        verdict = self.judge(replace(proposal, request=request))
        if verdict is not None:
            assert canary not in " ".join([*verdict.reasons, verdict.question or ""]), "verdicts are kept, prompts not"

    @bounded
    @given(proposal=proposals)
    def test_it_has_an_opinion_where_it_says_so(self, proposal: Proposal) -> None:
        if proposal.strategy in self.judges:
            assert self.judge(proposal) is not None

    @bounded
    @given(proposal=proposals)
    def test_lesson_49_the_highest_level_needs_the_operators_word(self, proposal: Proposal) -> None:
        if proposal.strategy not in self.judges and self.allows_bypass:
            return
        asked = replace(proposal, posture=Posture.BYPASS, bypass_allowed=proposal.bypass_allowed and self.allows_bypass)
        verdict = self.judge(asked)
        if not asked.bypass_allowed and verdict is not None and verdict.decision is Decision.ALLOW:
            assert verdict.posture is not None, "bypass was let through as it was asked"
            assert verdict.posture < Posture.BYPASS
        if not self.allows_bypass and not asked.bypass_allowed:
            assert verdict is not None, "it says that it lets bypass pass for nobody, and has no opinion"

    @pytest.mark.parametrize("posture", list(Posture), ids=lambda posture: posture.value)
    def test_what_it_wraps_stays_a_command_of_the_same_program(self, posture: Posture) -> None:
        """A policy may put a container around a command; the program, its words and its files go through."""
        request = self.proposal().request
        made = self.host.build_argv("pupil", request, posture, Resume(native_id=NativeSessionId("x")))
        assert "pupil" in made.argv, "the gateway finds the program by its name"
        assert [word for word in made.argv if word in ("--flag=a b", "{run_files}/settings")]
        assert made.stdin == b"hello"
        assert made.files == {"settings": b"{}"}
        assert not [word for word in made.argv if "\0" in word or not word]
        assert made == self.host.build_argv("pupil", request, posture, Resume(native_id=NativeSessionId("x")))


class _Pupil:
    """The smallest provider: what a policy wraps."""

    @hookimpl
    def gateway_describe_provider(self) -> ProviderInfo:
        return ProviderInfo(name="pupil", title="Pupil", executable="pupil", postures=tuple(Posture))

    @hookimpl
    def gateway_build_argv(self, request: Request) -> Invocation:
        words = ("pupil", "--flag=a b", "{run_files}/settings")
        return Invocation(argv=words, stdin=request.prompt.text.encode(), files={"settings": b"{}"})

    @hookimpl
    def gateway_resume_session(self) -> Resume:
        return Resume()

    @hookimpl
    def gateway_open_reader(self) -> Iterator[OutputReader]:
        return iter(())


@cache
def _host(name: str, plugin: object) -> PluginHost:
    environ = {"LLM_GATEWAY_PLUGINS": "", "LLM_GATEWAY_HOME": "/nonexistent", "HOME": "/nonexistent"}
    host, _ = find_plugins(environ, [("policy", name, plugin), ("provider", "pupil", _Pupil())])
    states = {record.key: record.problem for record in host.records if record.state.value == "failed"}
    assert not states, f"the gateway refuses the plugin: {states}"
    return host
