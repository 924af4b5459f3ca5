"""A plugin registers its provider as one class; the kernel calls it through the single hooks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from llm_gateway import (
    Cost,
    CostBasis,
    Invocation,
    McpServer,
    ModelInfo,
    Posture,
    Prompt,
    Provider,
    Request,
    Resume,
    UpgradePlan,
    Usage,
    hookimpl,
)
from llm_gateway.plugins import PluginHost, PluginState
from tests.unit.plugin_samples import INFO, Parrot, Watcher, record_of

REQUEST = Request(provider="parrot", prompt=Prompt(text="hello"), options=None, working_dir="/")


class Plain(Provider):
    info = INFO

    def resume_session(self, request: Request, session: Any) -> Resume:
        return Resume()

    def build_argv(self, request: Request, posture: Posture, resume: Resume) -> Invocation:
        return Invocation(argv=("parrot", posture.value), stdin=request.prompt.text.encode())

    def open_reader(self, request: Request) -> Any:
        return None


class Registering:
    """A plugin that registers what it was made with."""

    def __init__(self, provider: object) -> None:
        self.provider = provider

    @hookimpl
    def gateway_register_provider(self) -> Any:
        if isinstance(self.provider, BaseException):
            raise self.provider
        return self.provider


def host_of(provider: object) -> PluginHost:
    host = PluginHost()
    record = record_of(Registering(provider), host=host)
    assert record.state is PluginState.LOADED, record.problem
    return host


def problem_of(provider: object) -> str:
    record = record_of(Registering(provider))
    assert record.state is PluginState.FAILED
    return record.problem


def test_the_methods_answer_the_single_hooks() -> None:
    host = host_of(Plain())
    assert host.providers["parrot"] is INFO
    assert host.resume_session("parrot", REQUEST, None) == Resume()
    made = host.build_argv("parrot", REQUEST, Posture.PLAN, Resume())
    assert (made.argv, made.stdin) == (("parrot", "plan"), b"hello")


def test_a_method_that_the_class_leaves_out_is_no_hook() -> None:
    host = host_of(Plain())
    (record,) = host.records
    assert "gateway_list_models" not in record.hooks
    assert host.list_models("parrot") == ()
    assert host.upgrade_plan("parrot", None) is None


def test_a_method_may_leave_out_parameters() -> None:
    class Short(Plain):
        def list_models(self) -> Any:  # type: ignore[override]
            return [ModelInfo(id="grey", source="the manual")]

        def upgrade_plan(self, program: str | None = None, **more: Any) -> Any:
            return UpgradePlan(argv=(str(program), str(more["target"])), method="native")

    host = host_of(Short())
    assert [model.id for model in host.list_models("parrot", "/bin/parrot")] == ["grey"]
    plan = host.upgrade_plan("parrot", "1.2", "/bin/parrot")
    assert plan
    assert plan.argv == ("/bin/parrot", "1.2")


def test_a_parameter_that_the_hook_does_not_have_is_reported() -> None:
    class Wrong(Plain):
        def list_models(self, colour: str) -> Any:  # type: ignore[override]
            return []

    assert "list_models has the parameters colour; known are program" in problem_of(Wrong())


def test_it_prices_only_its_own_tokens() -> None:
    class Cheap(Plain):
        def price(self, usage: Usage, model: str | None) -> Cost:
            return Cost(usd=1.0, basis=CostBasis.COMPUTED)

    host = host_of(Cheap())
    assert host.price(Usage(), "parrot", None) == Cost(usd=1.0, basis=CostBasis.COMPUTED)
    assert host.price(Usage(), "macaw", None) is None


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")
    colour: str = "grey"


class Configured(Plain):
    settings_model = Settings
    colour = ""

    def configure(self, settings: BaseModel) -> None:
        assert isinstance(settings, Settings)
        self.colour = settings.colour


def test_it_receives_its_settings() -> None:
    provider = Configured()
    host = host_of(provider)
    assert host.settings_sections().providers == {"parrot": Settings}
    host.configure({}, {"parrot": Settings(colour="red")})
    assert provider.colour == "red"


def test_other_hooks_of_the_plugin_are_called_too() -> None:
    class More(Registering):
        @hookimpl
        def gateway_mcp_servers(self) -> Any:
            return [McpServer(name="nest", command="nest")]

    host = PluginHost()
    assert record_of(More(Plain()), host=host).state is PluginState.LOADED
    assert [server.name for _, server in host.mcp_servers()] == ["nest"]


def test_a_misspelt_hook_beside_the_class_is_reported() -> None:
    class Misspelt(Registering):
        @hookimpl
        def gateway_pricc(self) -> None: ...

    assert "did you mean gateway_price?" in record_of(Misspelt(Plain())).problem


def test_a_provider_is_either_a_class_or_single_hooks() -> None:
    class Both(Parrot, Registering):
        pass

    plugin = Both()
    plugin.provider = Plain()
    problem = record_of(plugin).problem
    assert "gateway_build_argv" in problem
    assert "gateway_register_provider" in problem


@pytest.mark.parametrize(
    ("provider", "problem"),
    [
        (None, "returned NoneType, not a Provider"),
        (SimpleNamespace(info=INFO), "returned SimpleNamespace, not a Provider"),
        (Plain, "returned the class Plain: return an instance"),
        (type("Bare", (Plain,), {"info": None})(), "info of Bare is not a ProviderInfo"),
        (RuntimeError("no feathers"), "no feathers"),
    ],
)
def test_what_is_no_provider_is_refused(provider: object, problem: str) -> None:
    assert problem in problem_of(provider)


def test_a_class_without_a_needed_method_is_named() -> None:
    class Half(Provider):
        info = INFO

    class Plugin:
        @hookimpl
        def gateway_register_provider(self) -> Provider:
            return Half()  # type: ignore[abstract]

    problem = record_of(Plugin()).problem
    assert "Half" in problem
    assert "build_argv" in problem


def test_another_name_than_that_of_the_entry_point_is_refused() -> None:
    assert "its entry point has 'macaw'" in record_of(Registering(Plain()), name="macaw").problem


def test_wrappers_of_the_single_hooks_run_around_the_class() -> None:
    class Sandbox(Watcher):
        @hookimpl(wrapper=True)
        def gateway_build_argv(self, providers: Any) -> Any:
            made = yield
            return Invocation(argv=("sandbox", *providers, *made.argv))

    host = host_of(Plain())
    record_of(Sandbox(), kind="extension", name="sandbox", host=host)
    argv = host.build_argv("parrot", REQUEST, Posture.PLAN, Resume()).argv
    assert argv == ("sandbox", "parrot", "parrot", "plan")


def test_the_registration_itself_cannot_be_wrapped() -> None:
    class Meddler(Watcher):
        @hookimpl(wrapper=True)
        def gateway_register_provider(self) -> Any:
            return (yield)

    assert "wrap the single hooks" in record_of(Meddler(), kind="extension").problem


def test_only_a_provider_registers_one() -> None:
    assert "may only wrap it" in record_of(Registering(Plain()), kind="extension").problem
