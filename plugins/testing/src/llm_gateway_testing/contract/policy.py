"""The contract of a policy. Subclass it to test your policy.

class TestMine(PolicyContract):
    plugin = my_policy
    name = "mine"
    judges = frozenset({"mcp_managed", "legacy"})     # strategies for which it always returns a verdict, if any
    allows_bypass = False                             # whether it ever allows the highest level
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

texts = st.text(max_size=40)
requests = st.builds(
    Request,
    provider=st.sampled_from(["pupil", "another"]),
    prompt=st.builds(Prompt, text=texts.map(lambda text: f"x{text}")),
    model=st.none() | texts,
    working_dir=st.sampled_from(["/", "/tmp", "/no/such/folder", "/srv/prod/deep", "relative"]) | texts,  # noqa: S108
    add_dirs=st.lists(texts, max_size=2).map(tuple),
    allowed_tools=st.lists(texts, max_size=2).map(tuple),
    mcp_servers=st.lists(st.builds(McpServer, name=texts, command=texts), max_size=1).map(tuple),
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
    """What every policy must do."""

    plugin: ClassVar[object]  #: the module or object that the entry point names
    name: ClassVar[str]  #: the entry point's name
    judges: ClassVar[frozenset[str]] = frozenset()  #: strategies for which it returns a verdict on every proposal
    allows_bypass: ClassVar[bool] = True  #: False: it never allows the highest level

    @property
    def host(self) -> PluginHost:
        """A host with this plugin and one small provider."""
        return _host(self.name, self.plugin)

    def judge(self, proposal: Proposal) -> Verdict | None:
        """Call the policy's hook as the gateway does. None: the policy has no verdict."""
        return dict(self.host.approve(proposal)).get(self.name)

    def proposal(self, posture: Posture = Posture.PROMPTED, **changes: Any) -> Proposal:
        """Return a harmless proposal."""
        plain = Proposal(
            request=Request(provider="pupil", prompt=Prompt(text="hello"), working_dir="/"),
            posture=posture,
            strategy="mcp_managed",
            strictness="balanced",
            bypass_allowed=False,
        )
        return replace(plain, **changes)

    def test_the_gateway_loads_it_without_problems(self) -> None:
        assert not self.host.problems, f"loading the plugin reported problems: {self.host.problems}"

    @bounded
    @given(proposal=proposals)
    def test_lesson_49_it_never_grants_more_than_was_requested(self, proposal: Proposal) -> None:
        verdict = self.judge(proposal)
        if verdict is not None and verdict.posture is not None:
            assert verdict.posture <= proposal.posture, "`Verdict.posture` is above the requested one: lower it"

    @bounded
    @given(proposal=proposals)
    def test_it_never_raises_and_returns_a_verdict_or_none(self, proposal: Proposal) -> None:
        verdict = self.judge(proposal)
        assert verdict is None or verdict.policy, "`Verdict.policy` is empty: set it to the policy's name"
        assert not self.host.problems, self.host.problems
        if verdict is not None:
            assert not any(f"plugin {self.name} failed" in reason for reason in verdict.reasons), verdict.reasons

    @bounded
    @given(proposal=proposals)
    def test_a_denial_or_a_question_gives_a_reason(self, proposal: Proposal) -> None:
        verdict = self.judge(proposal)
        if verdict is not None and verdict.decision is not Decision.ALLOW:
            explained = any(reason.strip() for reason in verdict.reasons) or (verdict.question or "").strip()
            assert explained, (
                f"a verdict of {verdict.decision} needs `reasons` or a `question` that the caller can read"
            )

    @bounded
    @given(proposal=proposals)
    def test_the_same_proposal_gets_the_same_verdict(self, proposal: Proposal) -> None:
        assert self.judge(proposal) == self.judge(proposal), "the verdict must depend only on the proposal"

    @bounded
    @given(proposal=proposals, canary=st.just("canary-of-a-prompt"))
    def test_lesson_82_its_reasons_do_not_contain_the_prompt(self, proposal: Proposal, canary: str) -> None:
        request = replace(proposal.request, prompt=Prompt(text=f"{canary} rm -rf / {canary}"))
        verdict = self.judge(replace(proposal, request=request))
        if verdict is not None:
            shown = " ".join([*verdict.reasons, verdict.question or ""])
            assert canary not in shown, "verdicts are stored, prompts are not: do not quote the prompt in a verdict"

    @bounded
    @given(proposal=proposals)
    def test_it_returns_a_verdict_for_the_strategies_it_declares(self, proposal: Proposal) -> None:
        if proposal.strategy in self.judges:
            verdict = self.judge(proposal)
            assert verdict is not None, f"`judges` names {proposal.strategy!r}, but the policy returned no verdict"

    @bounded
    @given(proposal=proposals)
    def test_lesson_49_the_highest_level_needs_the_operators_permission(self, proposal: Proposal) -> None:
        if proposal.strategy not in self.judges and self.allows_bypass:
            return
        asked = replace(proposal, posture=Posture.BYPASS, bypass_allowed=proposal.bypass_allowed and self.allows_bypass)
        verdict = self.judge(asked)
        if not asked.bypass_allowed and verdict is not None and verdict.decision is Decision.ALLOW:
            assert verdict.posture is not None, (
                "the policy allowed bypass although the operator did not: set a lower `Verdict.posture`"
            )
            assert verdict.posture < Posture.BYPASS
        if not self.allows_bypass and not asked.bypass_allowed:
            assert verdict is not None, (
                "`allows_bypass` is False, but the policy returned no verdict on bypass: deny it"
            )

    @pytest.mark.parametrize("posture", list(Posture), ids=lambda posture: posture.value)
    def test_a_wrapped_command_still_runs_the_same_program(self, posture: Posture) -> None:
        """A policy may run a command in a container. Program, arguments, stdin and files must stay."""
        request = self.proposal().request
        resume = Resume(native_id=NativeSessionId("x"))
        invocation = self.host.build_argv("pupil", request, posture, resume)
        assert "pupil" in invocation.argv, "keep the program's name in argv: the gateway replaces it with the path"
        kept = [argument for argument in invocation.argv if argument in ("--flag=a b", "{run_files}/settings")]
        assert kept, "keep the program's arguments unchanged in argv"
        assert invocation.stdin == b"hello", "keep `Invocation.stdin`"
        assert invocation.files == {"settings": b"{}"}, "keep `Invocation.files`"
        invalid = [argument for argument in invocation.argv if "\0" in argument or not argument]
        assert not invalid, "argv holds an empty argument or a NUL byte"
        again = self.host.build_argv("pupil", request, posture, resume)
        assert invocation == again, "the same request must give the same command"


class _Pupil:
    """The smallest provider, so that the policy has a command to wrap."""

    @hookimpl
    def gateway_describe_provider(self) -> ProviderInfo:
        return ProviderInfo(name="pupil", title="Pupil", executable="pupil", postures=tuple(Posture))

    @hookimpl
    def gateway_build_argv(self, request: Request) -> Invocation:
        argv = ("pupil", "--flag=a b", "{run_files}/settings")
        return Invocation(argv=argv, stdin=request.prompt.text.encode(), files={"settings": b"{}"})

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
    assert not states, f"the gateway did not load the plugin (`plugin`, `name`): {states}"
    return host
