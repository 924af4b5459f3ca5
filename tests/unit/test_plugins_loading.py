"""Which plugins are let in, and that a broken one never stops the host."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from llm_gateway import Invocation, NoOptions, Posture, ProviderInfo, Resume, hookimpl
from llm_gateway.plugins import PluginError, PluginHost, PluginRecord, PluginState


@dataclass
class Point:
    """An entry point that was never installed."""

    name: str
    target: Callable[[], Any]
    kind: str = "provider"
    dist: Any = field(default_factory=lambda: SimpleNamespace(name="parrot-dist", version="1.2"))

    @property
    def group(self) -> str:
        return f"llm_gateway.{self.kind}"

    @property
    def value(self) -> str:
        return f"{self.name}.plugin"

    def load(self) -> Any:
        return self.target()


INFO = ProviderInfo(name="parrot", title="Parrot", executable="parrot", postures=tuple(Posture))


class Parrot:
    def __init__(self, info: Any = INFO) -> None:
        self.info = info

    @hookimpl
    def gateway_describe_provider(self) -> Any:
        if isinstance(self.info, BaseException):
            raise self.info
        return self.info

    @hookimpl
    def gateway_build_argv(self) -> Invocation:
        return Invocation(argv=(self.info.executable,))

    @hookimpl
    def gateway_resume_session(self) -> Resume:
        return Resume()

    @hookimpl
    def gateway_open_reader(self) -> Any:
        return None


class Watcher:
    @hookimpl
    def gateway_job_changed(self, job: Any) -> None: ...


class House:
    @hookimpl
    def gateway_open_store(self, url: str) -> None:
        return None


def raising(error: BaseException) -> Callable[[], Any]:
    def load() -> Any:
        raise error

    return load


def record_of(
    plugin: object, *, kind: str = "provider", name: str = "parrot", host: PluginHost | None = None
) -> PluginRecord:
    return (host or PluginHost()).register(plugin, kind=kind, name=name)


def only(host: PluginHost) -> PluginRecord:
    (record,) = host.records
    return record


def test_a_good_provider_is_loaded_and_described() -> None:
    host = PluginHost([Point("parrot", Parrot)])
    assert only(host).state is PluginState.NOT_WANTED
    host.load_all()
    assert only(host) == PluginRecord(
        kind="provider",
        name="parrot",
        distribution="parrot-dist",
        version="1.2",
        module="parrot.plugin",
        hooks=(
            "gateway_build_argv",
            "gateway_describe_provider",
            "gateway_open_reader",
            "gateway_resume_session",
        ),
        state=PluginState.LOADED,
    )
    assert dict(host.providers) == {"parrot": INFO}
    assert host.problems == ()


@pytest.mark.parametrize(
    "error",
    [ImportError("no module named feathers"), SystemExit(3), ZeroDivisionError(), GeneratorExit("gone")],
    ids=repr,
)
def test_a_plugin_that_raises_at_import_is_recorded_and_the_others_load(error: BaseException) -> None:
    host = PluginHost([Point("broken", raising(error)), Point("parrot", Parrot)])
    host.load_all()
    assert list(host.providers) == ["parrot"]
    broken = next(record for record in host.records if record.name == "broken")
    assert broken.state is PluginState.FAILED
    assert type(error).__name__ in broken.problem
    assert host.problems == (f"plugin broken (parrot-dist 1.2): {broken.problem}",)


def test_a_keyboard_interrupt_at_import_ends_the_loading() -> None:
    with pytest.raises(KeyboardInterrupt):
        PluginHost([Point("parrot", raising(KeyboardInterrupt()))]).load_all()


def test_an_exception_that_cannot_be_printed_is_recorded_by_its_type() -> None:
    class Unprintable(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    host = PluginHost([Point("parrot", raising(Unprintable()))])
    host.load_all()
    assert only(host).problem == "could not be imported: Unprintable"


def test_what_a_plugin_prints_while_loading_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    class Loud(Parrot):
        @hookimpl
        def gateway_describe_provider(self) -> Any:
            print("describing")
            return INFO

    def load() -> Any:
        print("importing")
        return Loud()

    PluginHost([Point("parrot", load)]).load_all()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "importing\ndescribing\n"


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


def test_a_duplicate_name_is_an_error_that_names_both_distributions_and_loads_neither() -> None:
    other = SimpleNamespace(name="other-dist", version="7")
    host = PluginHost(
        [Point("parrot", Parrot), Point("parrot", Parrot, dist=other), Point("parrot", Watcher, kind="policy")]
    )
    host.load_all()
    assert dict(host.providers) == {}
    for record in host.records[1:]:
        assert record.state is PluginState.FAILED
        assert "parrot-dist 1.2" in record.problem
        assert "other-dist 7" in record.problem
    assert host.records[0].state is PluginState.LOADED, "another kind may have the same name"


def test_a_second_registration_under_a_name_leaves_the_first_alone() -> None:
    host = PluginHost()
    assert record_of(Parrot(), host=host).state is PluginState.LOADED
    assert "several plugins" in record_of(Parrot(), host=host).problem
    assert list(host.providers) == ["parrot"]


def test_one_object_is_registered_once() -> None:
    host, plugin = PluginHost(), Watcher()
    assert record_of(plugin, kind="policy", host=host).state is PluginState.LOADED
    assert "policy:parrot already" in record_of(plugin, kind="extension", host=host).problem


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
        (replace(INFO, name="macaw"), "calls itself 'macaw'"),
        (replace(INFO, postures=(Posture.PLAN,)), "default posture prompted is not among"),
        (replace(INFO, supports=frozenset({"wings"})), "supports names no common parameter: wings"),
        (replace(INFO, env=("PARROT_*", "*")), "env may not be"),
        (replace(INFO, native_id_pattern="("), "no regular expression"),
        (replace(INFO, options_model=dict), "options_model is not a pydantic model"),  # type: ignore[arg-type]  # that is the point
        (replace(INFO, options_model=Loose), 'options_model must have extra="forbid"'),
        (replace(INFO, options_model=Taking), "collide with common ones: workingDir"),
        (replace(INFO, options_model=TakingByChoice), "collide with common ones: workingDir"),
        (replace(INFO, options_model=TakingByName), "collide with common ones: prompt"),
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


def settings_plugin(sections: Any, plugin: type = Watcher) -> Any:
    class Bringing(plugin):  # type: ignore[misc]  # the base is a parameter
        @hookimpl
        def gateway_settings(self) -> Any:
            if isinstance(sections, BaseException):
                raise sections
            return sections

    return Bringing()


class Feathers(BaseModel):
    model_config = ConfigDict(extra="forbid")
    colour: str = "green"


class Needing(BaseModel):
    model_config = ConfigDict(extra="forbid")
    colour: str


class Grabbing(BaseModel):
    model_config = ConfigDict(extra="forbid")
    executable: str = ""


def test_settings_sections_come_from_loaded_plugins() -> None:
    host = PluginHost([Point("sleeper", House, kind="store")])
    record_of(settings_plugin({"parrot": Feathers, "cage": Feathers}, Parrot), host=host)
    record_of(settings_plugin({"garden": Feathers}), kind="extension", name="garden", host=host)
    sections = host.settings_sections()
    assert dict(sections.providers) == {"parrot": Feathers}
    assert dict(sections.top) == {"cage": Feathers, "garden": Feathers}
    assert sections.unread == {"sleeper"}


@pytest.mark.parametrize(
    ("sections", "problem"),
    [
        (ValueError("no settings today"), "no settings today"),
        ([Feathers], "not a mapping"),
        ({"Bad Name": Feathers}, "does not match"),
        ({"cage": NoOptions()}, "not a pydantic model"),
        ({"cage": Loose}, 'extra="forbid"'),
        ({"cage": Needing}, "colour"),
        ({"limits": Feathers}, "the kernel's own"),
        ({"parrot": Grabbing}, "the kernel has already: executable"),
        ({"garden": Feathers}, "is brought by plugin garden already"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_plugin_whose_settings_cannot_be_read_is_refused(sections: Any, problem: str) -> None:
    host = PluginHost()
    record_of(settings_plugin({"garden": Feathers}), kind="extension", name="garden", host=host)
    record = record_of(settings_plugin(sections, Parrot), host=host)
    assert record.state is PluginState.FAILED
    assert problem in record.problem
    assert list(host.settings_sections().top) == ["garden"]


def three(environ: dict[str, str]) -> dict[str, PluginState]:
    host = PluginHost(
        [
            Point("parrot", Parrot),
            Point("macaw", lambda: Parrot(replace(INFO, name="macaw"))),
            Point("parrot", Watcher, kind="policy"),
            Point("house", House, kind="store"),
        ],
        environ,
    )
    host.load_all()
    return {f"{record.kind}:{record.name}": record.state for record in host.records}


L, B, N = PluginState.LOADED, PluginState.BLOCKED, PluginState.NOT_WANTED


@pytest.mark.parametrize(
    ("value", "macaw", "parrot", "policy"),
    [(None, L, L, L), ("", B, B, B), ("macaw", L, B, B), ("parrot", B, L, L), (" provider:parrot , macaw,", L, L, B)],
)
def test_the_environment_narrows_what_is_loaded(
    value: str | None, macaw: PluginState, parrot: PluginState, policy: PluginState
) -> None:
    states = three({} if value is None else {"LLM_GATEWAY_PLUGINS": value})
    assert states == {"provider:macaw": macaw, "provider:parrot": parrot, "policy:parrot": policy, "store:house": N}


def test_a_name_in_the_environment_that_nobody_has_is_a_problem() -> None:
    host = PluginHost([Point("parrot", Parrot)], {"LLM_GATEWAY_PLUGINS": "parot"})
    assert host.problems == ("LLM_GATEWAY_PLUGINS names parot, which is not installed; did you mean parrot?",)


def test_a_blocked_plugin_is_never_imported() -> None:
    host = PluginHost([Point("parrot", raising(KeyboardInterrupt()))], {"LLM_GATEWAY_PLUGINS": ""})
    host.load_all()
    assert only(host).state is PluginState.BLOCKED


class Shelf:
    """As much of a store as the host looks at."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args: None


def test_one_store_is_loaded_by_its_scheme_even_when_the_environment_narrows() -> None:
    class Good:
        @hookimpl
        def gateway_open_store(self, url: str, home: str) -> Any:
            return Shelf() if (url, home) == ("good:x", "/home") else None

    points = [Point("good", Good, kind="store"), Point("other", raising(KeyboardInterrupt()), kind="store")]
    host = PluginHost(points, {"LLM_GATEWAY_PLUGINS": ""})
    assert isinstance(host.open_store("good:x", "/home"), Shelf)
    assert [record.state for record in host.records] == [L, N]


def test_a_store_that_cannot_be_had_is_named_with_what_there_is() -> None:
    points = [Point("house", House, kind="store"), Point("broken", raising(OSError("worm-eaten")), kind="store")]
    host = PluginHost(points)
    with pytest.raises(
        PluginError, match=r"no store named 'hous' is installed; did you mean house\? \(installed: broken, house\)"
    ):
        host.open_store("hous:", "/home")
    with pytest.raises(PluginError, match=r"plugin broken \(parrot-dist 1\.2\): .*worm-eaten"):
        host.open_store("broken:", "/home")
    with pytest.raises(PluginError, match=r"answered gateway_open_store with NoneType, not Store"):
        host.open_store("house:", "/home")


def in_fresh_process(code: str, tmp_path: Path) -> str:
    environ = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_discovery_finds_what_is_installed_and_imports_none_of_it(tmp_path: Path) -> None:
    code = """if True:
        import sys
        from llm_gateway.plugins import PluginHost
        host = PluginHost.discover({})
        assert not [name for name in sys.modules if name.startswith(("llm_gateway_", "importlib_metadata", "mcp"))]
        for record in host.records:
            print(record.kind, record.name, record.distribution, record.version, record.state.value)
    """
    lines = in_fresh_process(code, tmp_path).splitlines()
    assert all(line.endswith(" not wanted") for line in lines)
    assert "engine local llm-gateway-core 0.1.0 not wanted" in lines
