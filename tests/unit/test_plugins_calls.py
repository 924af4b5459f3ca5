"""Asking hooks: who is asked, what comes back, and what becomes of a plugin that misbehaves."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from llm_gateway import (
    CacheAccount,
    Cost,
    CostBasis,
    Decision,
    Failure,
    Invocation,
    McpServer,
    ModelInfo,
    Posture,
    Prompt,
    PromptTemplate,
    Proposal,
    ProviderInfo,
    Request,
    Resume,
    UpgradePlan,
    Usage,
    Verdict,
    hookimpl,
)
from llm_gateway.errors import InvalidRequest, ProviderFailed, SessionNotResumable
from llm_gateway.plugins import PluginHost, PluginState

REQUEST = Request(provider="parrot", prompt=Prompt(text="hello"), working_dir="/")
PROPOSAL = Proposal(
    request=REQUEST, posture=Posture.PROMPTED, strategy="legacy", strictness="balanced", bypass_allowed=False
)


class Reader:
    def feed(self, stream: str, data: bytes) -> tuple[()]:
        return ()

    def gap(self, stream: str) -> None: ...

    def finish(self, end: Any) -> None: ...


class Bird:
    """A provider; each hook answers what the test put in, or raises it."""

    def __init__(self, name: str, **answers: Any) -> None:
        self.name = name
        self.answers = {
            "build_argv": Invocation(argv=(name,)),
            "resume_session": Resume(),
            "open_reader": Reader(),
        } | answers

    def __answer(self, hook: str) -> Any:
        answer = self.answers.get(hook)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    @hookimpl
    def gateway_describe_provider(self) -> ProviderInfo:
        return ProviderInfo(name=self.name, title=self.name, executable=self.name, postures=tuple(Posture))

    @hookimpl
    def gateway_build_argv(self, request: Request) -> Any:
        return self.__answer("build_argv")

    @hookimpl
    def gateway_resume_session(self) -> Any:
        return self.__answer("resume_session")

    @hookimpl
    def gateway_open_reader(self) -> Any:
        return self.__answer("open_reader")

    @hookimpl
    def gateway_list_models(self) -> Any:
        return self.__answer("list_models")

    @hookimpl
    def gateway_upgrade_plan(self, target: str | None) -> Any:
        return self.__answer("upgrade_plan")

    @hookimpl
    def gateway_loopback(self, service: str) -> Any:
        return self.__answer("loopback")

    @hookimpl
    def gateway_explain_failure(self) -> Any:
        return self.__answer("explain_failure")

    @hookimpl
    def gateway_account_cache(self) -> Any:
        return self.__answer("account_cache")


def implementing(hook: str, answer: Any, **options: Any) -> object:
    """A plugin with one hook."""

    def implementation(self: object) -> Any:
        if isinstance(answer, BaseException):
            raise answer
        return answer

    implementation.__name__ = hook
    return type("OneHook", (), {hook: hookimpl(**options)(implementation)})()


def host_with(*plugins: tuple[str, str, object], **environ: str) -> PluginHost:
    host = PluginHost((), environ)
    for kind, name, plugin in plugins:
        record = host.register(plugin, kind=kind, name=name)
        assert record.state is PluginState.LOADED, record.problem
    return host


def aviary(**answers: Any) -> PluginHost:
    return host_with(("provider", "parrot", Bird("parrot", **answers)), ("provider", "macaw", Bird("macaw")))


def test_each_provider_answers_for_itself_alone() -> None:
    host = aviary()
    for name in ("parrot", "macaw", "parrot"):
        assert host.build_argv(name, REQUEST, Posture.PROMPTED, Resume()).argv == (name,)
        assert host.providers[name].name == name


def test_a_provider_that_says_none_is_not_answered_for_by_another() -> None:
    with pytest.raises(ProviderFailed, match="NoneType, not Invocation"):
        aviary(build_argv=None).build_argv("parrot", REQUEST, Posture.PROMPTED, Resume())


def test_a_provider_that_comes_later_stays_out_of_earlier_calls() -> None:
    host = host_with(("provider", "parrot", Bird("parrot")))
    assert host.build_argv("parrot", REQUEST, Posture.PROMPTED, Resume()).argv == ("parrot",)
    host.register(Bird("macaw"), kind="provider", name="macaw")
    assert host.build_argv("parrot", REQUEST, Posture.PROMPTED, Resume()).argv == ("parrot",)


def test_an_unknown_provider_is_a_lookup_error() -> None:
    with pytest.raises(LookupError, match="dodo"):
        aviary().build_argv("dodo", REQUEST, Posture.PROMPTED, Resume())


def test_a_policy_wraps_every_providers_command() -> None:
    class InContainer:
        @hookimpl(wrapper=True)
        def gateway_build_argv(self) -> Any:
            invocation = yield
            return replace(invocation, argv=("container", "run", *invocation.argv))

    host = host_with(
        ("policy", "container", InContainer()),
        ("provider", "parrot", Bird("parrot")),
        ("provider", "macaw", Bird("macaw")),
    )
    assert host.build_argv("macaw", REQUEST, Posture.PROMPTED, Resume()).argv == ("container", "run", "macaw")


Ask = Callable[[PluginHost], Any]
NEEDED: dict[str, Ask] = {
    "build_argv": lambda host: host.build_argv("parrot", REQUEST, Posture.PROMPTED, Resume()),
    "resume_session": lambda host: host.resume_session("parrot", REQUEST, None),
    "open_reader": lambda host: host.open_reader("parrot", REQUEST),
    "list_models": lambda host: host.list_models("parrot"),
    "upgrade_plan": lambda host: host.upgrade_plan("parrot", None),
    "loopback": lambda host: host.loopback("parrot", service="http://127.0.0.1:1", folder="/", variant=""),
}
ADVISED: dict[str, Ask] = {
    "explain_failure": lambda host: host.explain_failure("parrot", None),  # type: ignore[arg-type]  # nobody looks at it
    "account_cache": lambda host: host.account_cache("parrot", None, ()),  # type: ignore[arg-type]  # nobody looks at it
}


@pytest.mark.parametrize("hook", NEEDED)
@pytest.mark.parametrize("error", [InvalidRequest("no wings"), SessionNotResumable("flown away")], ids=lambda e: e.code)
def test_a_typed_error_of_a_provider_passes_through(hook: str, error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        NEEDED[hook](aviary(**{hook: error}))
    assert caught.value is error


@pytest.mark.parametrize("hook", NEEDED)
@pytest.mark.parametrize("error", [ZeroDivisionError("x"), SystemExit(2)], ids=repr)
def test_any_other_exception_of_a_provider_becomes_provider_failed(hook: str, error: BaseException) -> None:
    with pytest.raises(
        ProviderFailed, match=rf"^plugin parrot failed in gateway_{hook}: {type(error).__name__}: "
    ) as caught:
        NEEDED[hook](aviary(**{hook: error}))
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("hook", NEEDED)
def test_an_answer_of_the_wrong_type_is_a_failure_and_a_problem(hook: str) -> None:
    host = aviary(**{hook: 7})
    with pytest.raises(ProviderFailed, match=f"plugin parrot answered gateway_{hook} with int"):
        NEEDED[hook](host)
    with pytest.raises(ProviderFailed):
        NEEDED[hook](host)
    (problem,) = host.problems
    assert f"answered gateway_{hook} with int" in problem
    assert list(host.providers) == ["macaw", "parrot"], "it stays loaded"


def test_answers_of_the_right_type_are_handed_on() -> None:
    models = [ModelInfo(id="parrot-1", source="here")]
    plan = UpgradePlan(argv=("true",), method="none")
    failure, account = Failure(code="overloaded", message="tired"), CacheAccount(ttl_s=1.0)
    host = aviary(list_models=models, upgrade_plan=plan, explain_failure=failure, account_cache=account)
    assert host.list_models("parrot") == models
    assert host.upgrade_plan("parrot", "2") == plan
    assert ADVISED["explain_failure"](host) == failure
    assert ADVISED["account_cache"](host) == account


def test_no_answer_means_nothing_known() -> None:
    host = aviary()
    assert list(host.list_models("parrot")) == []
    assert host.upgrade_plan("parrot", None) is None
    assert [ask(host) for ask in ADVISED.values()] == [None, None]


def test_a_model_list_with_something_else_in_it_is_a_failure() -> None:
    with pytest.raises(ProviderFailed, match=r"plugin parrot .*ModelInfo"):
        aviary(list_models=["parrot-1"]).list_models("parrot")


@pytest.mark.parametrize("hook", ADVISED)
@pytest.mark.parametrize("answer", [RuntimeError("tired"), InvalidRequest("no"), SystemExit(1), 7], ids=repr)
def test_advice_that_goes_wrong_is_logged_and_counts_as_none(
    hook: str, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert ADVISED[hook](aviary(**{hook: answer})) is None
    (line,) = caplog.records
    assert (line.name, line.levelno) == ("llm_gateway.plugins", logging.ERROR)
    assert hook in line.getMessage()


def test_an_error_code_outside_the_closed_set_is_no_explanation() -> None:
    host = aviary(explain_failure=Failure(code="moulting", message="no feathers"))
    assert ADVISED["explain_failure"](host) is None
    assert "unknown error code 'moulting'" in host.problems[0]


def test_every_policy_answers_under_its_own_name() -> None:
    allow, deny = Verdict(decision=Decision.ALLOW, policy="a"), Verdict(decision=Decision.DENY, policy="b")
    host = host_with(
        ("policy", "easy", implementing("gateway_approve", allow)),
        ("policy", "mute", implementing("gateway_approve", None)),
        ("policy", "strict", implementing("gateway_approve", deny)),
    )
    assert dict(host.approve(PROPOSAL)) == {"easy": allow, "strict": deny}


@pytest.mark.parametrize("answer", [RuntimeError("lost my glasses"), SystemExit(0), True, "allow"], ids=repr)
def test_a_policy_that_misbehaves_denies_and_the_others_are_still_heard(answer: Any) -> None:
    allow = Verdict(decision=Decision.ALLOW, policy="a")
    host = host_with(
        ("policy", "easy", implementing("gateway_approve", allow)),
        ("policy", "broken", implementing("gateway_approve", answer)),
    )
    verdicts = dict(host.approve(PROPOSAL))
    assert verdicts["easy"] == allow
    assert verdicts["broken"].decision is Decision.DENY
    assert "plugin broken" in verdicts["broken"].reasons[0]


def test_without_policies_there_are_no_verdicts() -> None:
    assert aviary().approve(PROPOSAL) == []


def test_the_first_price_holds_and_a_broken_pricer_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    cost = Cost(usd=0.5, basis=CostBasis.COMPUTED)
    host = host_with(
        ("extension", "good", implementing("gateway_price", cost)),
        ("extension", "wrong", implementing("gateway_price", 0.5, tryfirst=True)),
        ("extension", "broken", implementing("gateway_price", RuntimeError("no list"), tryfirst=True)),
        ("extension", "mute", implementing("gateway_price", None, tryfirst=True)),
    )
    assert host.price(Usage(), "parrot", None) == cost
    assert "no list" in caplog.text
    assert host.problems == ("plugin wrong: it answered gateway_price with float, not Cost",)


def test_nobody_knows_the_price() -> None:
    assert aviary().price(Usage(), "parrot", "parrot-1") is None


def test_what_plugins_bring_is_gathered_and_a_broken_one_costs_only_its_own() -> None:
    server = McpServer(name="search", command="search-mcp")
    host = host_with(
        ("extension", "good", implementing("gateway_mcp_servers", [server])),
        ("extension", "half", implementing("gateway_mcp_servers", ["search", replace(server, name="other")])),
        ("extension", "wrong", implementing("gateway_mcp_servers", 7)),
        ("extension", "broken", implementing("gateway_mcp_servers", RuntimeError("empty"))),
        ("extension", "none", implementing("gateway_mcp_servers", None)),
    )
    assert sorted((plugin, found.name) for plugin, found in host.mcp_servers()) == [
        ("extension:good", "search"),
        ("extension:half", "other"),
    ]
    assert sorted(problem.partition(":")[0] for problem in host.problems) == [
        "plugin broken",
        "plugin half",
        "plugin wrong",
    ]


def test_operations_resources_and_prompts_are_empty_without_plugins_and_gathered_with() -> None:
    assert (aviary().operations(), aviary().resources(), aviary().prompts()) == ([], [], [])
    prompt = PromptTemplate(name="review", title="Review", description="Review.", render=lambda arguments: "")
    assert host_with(("extension", "e", implementing("gateway_prompts", (prompt,)))).prompts() == [
        ("extension:e", prompt)
    ]


def test_a_caller_can_report_what_is_wrong_with_an_answer() -> None:
    host = host_with(("extension", "e", implementing("gateway_operations", [])))
    host.report("extension:e", "operation greet exists already")
    host.report("extension:e", "operation greet exists already")
    assert host.problems == ("plugin e: operation greet exists already",)


def test_an_observer_that_raises_is_logged_and_the_others_are_told(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Any] = []

    class Seeing:
        @hookimpl(trylast=True)
        def gateway_job_changed(self, job: Any) -> None:
            seen.append(job)

        @hookimpl(trylast=True)
        def gateway_turn_recorded(self, record: Any) -> None:
            seen.append(record)

    class Blind:
        @hookimpl
        def gateway_job_changed(self) -> None:
            raise RuntimeError("too bright")

    host = host_with(("extension", "seeing", Seeing()), ("extension", "blind", Blind()))
    host.job_changed("job")  # type: ignore[arg-type]  # nobody looks at it
    host.turn_recorded("record")  # type: ignore[arg-type]  # nobody looks at it
    assert seen == ["job", "record"]
    assert "plugin blind failed in gateway_job_changed: RuntimeError: too bright" in caplog.text


def test_every_hook_call_can_be_traced(capsys: pytest.CaptureFixture[str]) -> None:
    host = host_with(("provider", "parrot", Bird("parrot")), LLM_GATEWAY_TRACE_HOOKS="1")
    host.build_argv("parrot", REQUEST, Posture.PROMPTED, Resume())
    captured = capsys.readouterr()
    assert captured.out == ""
    described, built = (line.split() for line in captured.err.splitlines())
    assert described[:2] == ["gateway_describe_provider", "provider:parrot"]
    assert built[:2] == ["gateway_build_argv", "provider:parrot"]
    assert float(built[2]) >= 0
    assert built[3] == "ms"


@pytest.mark.parametrize("environ", [{}, {"LLM_GATEWAY_TRACE_HOOKS": "0"}, {"LLM_GATEWAY_TRACE_HOOKS": ""}], ids=repr)
def test_without_being_asked_nothing_is_traced(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    host_with(("provider", "parrot", Bird("parrot")), **environ)
    assert capsys.readouterr() == ("", "")
