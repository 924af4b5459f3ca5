"""Which plugins are let in, and that a broken one never stops the host."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from llm_gateway import __version__, hookimpl
from llm_gateway.plugins import PluginError, PluginHost, PluginState
from tests.unit.plugin_samples import INFO, House, Parrot, Point, Watcher, only, raising, record_of


def test_a_good_provider_is_loaded_and_described() -> None:
    host = PluginHost([Point("parrot", Parrot)])
    assert only(host).state is PluginState.NOT_WANTED
    host.load_all()
    loaded = only(host)
    assert (loaded.kind, loaded.name) == ("provider", "parrot")
    assert (loaded.distribution, loaded.version) == ("parrot-dist", "1.2")
    assert loaded.hooks == (
        "gateway_build_argv",
        "gateway_describe_provider",
        "gateway_open_reader",
        "gateway_resume_session",
    )
    assert (loaded.state, loaded.problem) == (PluginState.LOADED, "")
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


@pytest.mark.parametrize(("kind", "url"), [("store", "sqlite:"), ("engine", "local:")])
def test_a_gateway_without_a_store_or_an_engine_says_how_to_get_one(kind: str, url: str) -> None:
    named = url.removesuffix(":")
    message = rf"{kind} .*'{named}'.*`pip install llm-gateway-{kind}-{named}`"
    with pytest.raises(PluginError, match=message):
        getattr(PluginHost(), f"open_{kind}")(url, "/home")


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
    assert f"engine local llm-gateway-engine-local {__version__} not wanted" in lines


def test_a_plugin_that_is_a_class_has_an_object_for_each_gateway() -> None:
    class Remembering(Watcher):
        def __init__(self) -> None:
            self.seen: list[object] = []

    hosts = [PluginHost(), PluginHost()]
    records = [host.register(Remembering, kind="extension", name="remembering") for host in hosts]
    assert [record.state for record in records] == [PluginState.LOADED] * 2
    first, second = (record.object for record in records)
    assert type(first) is type(second) is Remembering
    assert first is not second


def test_a_class_that_needs_arguments_is_refused_and_says_so() -> None:
    class Demanding(Watcher):
        def __init__(self, home: str) -> None:
            self.home = home

    record = PluginHost().register(Demanding, kind="extension", name="demanding")
    assert record.state is PluginState.FAILED
    assert "Demanding cannot be created without arguments" in record.problem


def test_a_class_is_loaded_once() -> None:
    host = PluginHost()
    first, second = (host.register(Watcher, kind="extension", name=name) for name in ("one", "two"))
    assert (first.state, second.state) == (PluginState.LOADED, PluginState.FAILED)
    assert "the same object is loaded as extension:one already" in second.problem
