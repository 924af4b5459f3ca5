"""A plugin whose hooks or description do not hold is refused, and the record says why."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from llm_gateway import Posture, ProviderInfo, hookimpl
from llm_gateway.plugins import PluginHost, PluginState
from tests.unit.plugin_samples import INFO, Parrot, Watcher, record_of


def test_a_misspelt_hook_is_named_with_the_nearest_good_one() -> None:
    class Misspelt(Parrot):
        @hookimpl
        def gateway_bild_argv(self) -> None: ...

    host = PluginHost()
    record = record_of(Misspelt(), host=host)
    assert record.problem == "unknown hook gateway_bild_argv; did you mean gateway_build_argv?"
    assert record_of(Parrot(), host=host).state is PluginState.LOADED


def test_a_hook_of_a_newer_kernel_is_no_problem_when_it_is_optional() -> None:
    class Newer(Parrot):
        @hookimpl(optionalhook=True)
        def gateway_dream(self) -> None: ...

    assert record_of(Newer()).state is PluginState.LOADED


def test_a_wrong_parameter_name_is_reported() -> None:
    class Wrong(Parrot):
        @hookimpl
        def gateway_list_models(self, colour: str) -> None: ...

    record = record_of(Wrong())
    assert record.state is PluginState.FAILED
    assert "colour" in record.problem


def test_a_forgotten_mark_is_reported() -> None:
    class Forgetful(Watcher):
        def gateway_approve(self, proposal: Any) -> None: ...

    assert record_of(Forgetful(), kind="policy").problem == "gateway_approve is not marked with @hookimpl"


def test_a_hook_under_another_name_is_refused() -> None:
    class Renamed(Watcher):
        @hookimpl(specname="gateway_turn_recorded")
        def turned(self, record: Any) -> None: ...

    assert "gateway_turn_recorded must have the hook's name" in record_of(Renamed(), kind="extension").problem


@pytest.mark.parametrize("thing", [None, Parrot, [], SimpleNamespace(), ModuleType("empty")], ids=repr)
def test_what_is_no_plugin_is_refused(thing: object) -> None:
    assert record_of(thing, kind="extension").state is PluginState.FAILED


def test_a_provider_without_a_needed_hook_is_refused() -> None:
    class Half:
        @hookimpl
        def gateway_describe_provider(self) -> ProviderInfo:
            return INFO

    assert "must implement gateway_build_argv" in record_of(Half()).problem


def test_only_a_provider_may_answer_a_providers_hook_but_others_may_wrap_it() -> None:
    class Hijacker:
        @hookimpl
        def gateway_build_argv(self) -> Any: ...

    class Wrapper:
        @hookimpl(wrapper=True)
        def gateway_build_argv(self) -> Any:
            return (yield)

    assert "may only wrap it" in record_of(Hijacker(), kind="extension").problem
    assert record_of(Wrapper(), kind="policy").state is PluginState.LOADED


def test_a_provider_does_not_wrap_what_providers_answer() -> None:
    class Meddler(Parrot):
        @hookimpl(wrapper=True)
        def gateway_list_models(self) -> Any:
            return (yield)

    assert "a plugin of kind provider implements gateway_list_models" in record_of(Meddler()).problem


class Taking(BaseModel):
    model_config = ConfigDict(extra="forbid")
    working_dir: str = Field(default="", alias="workingDir")


class TakingByChoice(BaseModel):
    model_config = ConfigDict(extra="forbid")
    folder: str = Field(default="", validation_alias=AliasChoices("folder", "workingDir"))


class TakingByName(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    prompt: str = Field(default="", alias="parrotPrompt")


class Loose(BaseModel):
    pass


@pytest.mark.parametrize(
    ("info", "problem"),
    [
        (RuntimeError("no feathers"), "RuntimeError: no feathers"),
        (SystemExit(1), "SystemExit"),
        (None, "answered NoneType, not ProviderInfo"),
        ({"name": "parrot"}, "answered dict, not ProviderInfo"),
        (replace(INFO, name="Parrot"), "does not match"),
        (replace(INFO, name="../x"), "does not match"),
        (replace(INFO, name="macaw"), "'macaw'"),
        (replace(INFO, postures=(Posture.PLAN,)), "default posture prompted is not among"),
        (replace(INFO, supports=frozenset({"wings"})), "wings"),
        (replace(INFO, env=("PARROT_*", "*")), "'*'"),
        (replace(INFO, native_id_pattern="("), "native_id_pattern"),
        (replace(INFO, own_paths=(".parrot",)), "must be an absolute path"),
        (replace(INFO, own_settings=("~/.parrot/../..",)), "must be an absolute path"),
        (replace(INFO, hosts=("https://parrot.example",)), "'https://parrot.example'"),
        (replace(INFO, hosts=("*",)), "hosts"),
        (replace(INFO, url_env=("PARROT_URL",)), "which is not in env"),
        (replace(INFO, project_folders=(".parrot/x",)), "project_folders"),
        (replace(INFO, options_model=dict), "options_model is not a pydantic model"),  # type: ignore[arg-type]  # that is the point
        (replace(INFO, options_model=Loose), 'options_model must have extra="forbid"'),
        (replace(INFO, options_model=Taking), ": workingDir"),
        (replace(INFO, options_model=TakingByChoice), ": workingDir"),
        (replace(INFO, options_model=TakingByName), ": prompt"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_provider_whose_description_does_not_hold_is_refused(info: Any, problem: str) -> None:
    host = PluginHost(reserved=["prompt", "workingDir"])
    record = record_of(Parrot(info), host=host)
    assert record.state is PluginState.FAILED
    assert problem in record.problem
    assert dict(host.providers) == {}
    assert record_of(Parrot(), host=host).state is PluginState.LOADED, "the broken one left nothing behind"
