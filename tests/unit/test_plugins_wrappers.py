"""A wrapper that spoils an answer is named itself, whichever hook it stands around."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest

from llm_gateway import Budget, Decision, Verdict, hookimpl
from llm_gateway.errors import ApprovalDenied, GatewayError
from llm_gateway.hookspecs import HOOKS
from llm_gateway.plugins import PluginError, PluginHost, PluginState
from tests.unit.plugin_samples import INFO, Parrot
from tests.unit.test_plugins_calls import ADVISED, NEEDED, PROPOSAL, Bird, host_with, implementing

ALLOW = Verdict(decision=Decision.ALLOW, policy="easy")


def wrapping(hook: str, act: Callable[[Any], Any], *, old: bool = False) -> object:
    """A plugin whose one hook wraps: `act` makes its answer of the answer that it got."""

    def wrapper(self: object) -> Any:
        answer = yield
        if old:
            answer.force_result(act(answer.get_result()))
            return None
        return act(answer)

    wrapper.__name__ = hook
    mark = hookimpl(hookwrapper=True) if old else hookimpl(wrapper=True)
    return type("Wrapping", (), {hook: mark(wrapper)})()


def raising(_answer: Any) -> Any:
    raise RuntimeError("out of job file")


def asked(host: PluginHost, hook: str) -> None:
    """Ask one of the providers' hooks."""
    {**NEEDED, **ADVISED}[hook](host)


@pytest.mark.parametrize("old", [False, True], ids=["wrapper", "hookwrapper"])
@pytest.mark.parametrize("act", [lambda answer: 7, raising], ids=["wrong", "raises"])
@pytest.mark.parametrize("hook", [*NEEDED, *ADVISED])
@pytest.mark.filterwarnings("ignore::pluggy.PluggyTeardownRaisedWarning")
def test_a_wrapper_around_a_provider_is_blamed_by_its_own_name(hook: str, act: Any, old: bool) -> None:
    host = host_with(
        ("policy", "culprit", wrapping(f"gateway_{hook}", act, old=old)),
        ("policy", "bystander", wrapping(f"gateway_{hook}", lambda answer: answer)),
        ("provider", "parrot", Bird("parrot")),
    )
    if hook in NEEDED:
        with pytest.raises(GatewayError, match="plugin culprit") as caught:
            asked(host, hook)
        assert "parrot" not in caught.value.message
    else:
        asked(host, hook)
    assert [problem.partition(":")[0] for problem in host.problems] == ["plugin culprit"]


@pytest.mark.parametrize("act", [lambda answer: 7, lambda answer: ["allow"], lambda answer: [None], raising])
def test_a_wrapper_around_policies_is_a_denial_in_its_own_name(act: Any) -> None:
    host = host_with(
        ("policy", "culprit", wrapping("gateway_approve", act)),
        ("policy", "easy", implementing("gateway_approve", ALLOW)),
    )
    ((name, verdict),) = host.approve(PROPOSAL)
    assert (name, verdict.policy, verdict.decision) == ("culprit", "culprit", Decision.DENY)
    assert "plugin culprit" in verdict.reasons[0]
    assert [problem.partition(":")[0] for problem in host.problems] == ["plugin culprit"]


GATHERED = ("operations", "resources", "prompts", "commands", "mcp_servers", "diagnose")


@pytest.mark.parametrize("hook", GATHERED)
@pytest.mark.parametrize("act", [lambda answer: 7, lambda answer: [["no such thing"]], raising])
def test_a_wrapper_around_what_plugins_bring_is_blamed_by_its_own_name(hook: str, act: Any) -> None:
    host = host_with(
        ("extension", "culprit", wrapping(f"gateway_{hook}", act)),
        ("extension", "good", implementing(f"gateway_{hook}", [])),
    )
    assert getattr(host, "diagnoses" if hook == "diagnose" else hook)() == []
    assert [problem.partition(":")[0] for problem in host.problems] == ["plugin culprit"]


@pytest.mark.parametrize("act", [lambda answer: 7, raising])
def test_a_wrapper_around_a_description_is_named_by_what_it_keeps_out(act: Any) -> None:
    host = host_with(("policy", "culprit", wrapping("gateway_describe_provider", act)))
    kept_out = host.register(Parrot(), kind="provider", name="parrot")
    assert kept_out.state is PluginState.FAILED
    assert "plugin culprit" in kept_out.problem
    assert "plugin culprit" in {problem.partition(":")[0] for problem in host.problems}


def test_a_wrapper_that_only_hands_on_a_wrong_answer_is_not_blamed() -> None:
    host = host_with(
        ("policy", "bystander", wrapping("gateway_approve", lambda answer: [*answer])),
        ("policy", "liar", implementing("gateway_approve", "yes")),
    )
    assert [name for name, _ in host.approve(PROPOSAL)] == ["liar"]


def test_a_refusal_by_a_wrapper_is_an_answer() -> None:
    def refuse(_answer: Any) -> Any:
        raise ApprovalDenied("not on a Friday")

    host = host_with(
        ("policy", "friday", wrapping("gateway_build_argv", refuse)), ("provider", "parrot", Bird("parrot"))
    )
    with pytest.raises(ApprovalDenied, match="Friday"):
        asked(host, "build_argv")
    assert host.problems == ()


def test_a_wrapper_that_yields_never_or_twice_is_blamed() -> None:
    class Never:
        @hookimpl(wrapper=True)
        def gateway_build_argv(self) -> Any:
            if self is None:
                yield

    class Twice:
        @hookimpl(wrapper=True)
        def gateway_build_argv(self) -> Any:
            yield
            yield

    for culprit in (Never(), Twice()):
        host = host_with(("policy", "culprit", culprit), ("provider", "parrot", Bird("parrot")))
        with pytest.raises(GatewayError, match="plugin culprit"):
            asked(host, "build_argv")


def test_every_hook_is_covered_here() -> None:
    """A new hook must be added to one of the lists above, or be one whose answer nobody uses."""
    unused = {"configure", "job_changed", "turn_recorded", "open_store", "open_engine", "open_transport", "settings"}
    single = {"approve", "price", "annotate", "tree_state", "describe_provider", "register_provider", "lifespan"}
    known = unused | single | {*NEEDED, *ADVISED, *GATHERED}
    assert {name.removeprefix("gateway_") for name in HOOKS} <= known


@pytest.mark.parametrize("hook", ["price", "annotate", "tree_state", "lifespan"])
def test_a_wrapper_around_advice_is_noted_by_its_own_name(hook: str) -> None:
    host = host_with(
        ("extension", "culprit", wrapping(f"gateway_{hook}", lambda answer: object())),
        ("extension", "good", implementing(f"gateway_{hook}", None)),
    )
    {
        "price": lambda: host.price(None, "parrot", None),  # type: ignore[arg-type]  # nobody looks at it
        "tree_state": lambda: host.tree_state(["/"], Budget(seconds=1, most_bytes=1)),
        "lifespan": lambda: host.lifespans(gateway=None, serving=True),
        "annotate": lambda: host.annotate(gateway=None, record=None, earlier=(), request=None, reply=""),
    }[hook]()
    assert [problem.partition(":")[0] for problem in host.problems] == ["plugin culprit"]


def test_the_wrapper_that_was_registered_last_is_the_outermost_but_for_those_that_say_otherwise() -> None:
    order: list[str] = []

    def noting(name: str, **marks: bool) -> object:
        def gateway_price(self: object) -> Any:
            order.append(name)
            return (yield)

        return type("Noting", (), {"gateway_price": hookimpl(wrapper=True, **marks)(gateway_price)})()

    host = host_with(
        ("policy", "outermost", noting("outermost", tryfirst=True)),
        ("policy", "first", noting("first")),
        ("extension", "innermost", noting("innermost", trylast=True)),
        ("extension", "last", noting("last")),
        ("extension", "good", implementing("gateway_price", None)),
    )
    host.price(None, "parrot", None)  # type: ignore[arg-type]  # nobody looks at it
    assert order == ["outermost", "last", "first", "innermost"]


@pytest.mark.parametrize("hook", ["store", "engine", "transport"])
def test_a_wrapper_around_an_opening_is_named(hook: str) -> None:
    host = host_with(("extension", "culprit", wrapping(f"gateway_open_{hook}", lambda answer: 7)))
    host.register(implementing(f"gateway_open_{hook}", Mock()), kind=hook, name="house")
    with pytest.raises(PluginError, match="plugin culprit"):
        {
            "store": lambda: host.open_store("house:", "/"),
            "engine": lambda: host.open_engine("house:", "/"),
            "transport": lambda: host.open_transport("house"),
        }[hook]()


def test_the_samples_are_right_without_a_culprit() -> None:
    assert host_with(("provider", "parrot", Parrot(INFO))).problems == ()
