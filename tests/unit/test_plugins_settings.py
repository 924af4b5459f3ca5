"""The settings that plugins bring, and when they are refused for them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from llm_gateway import Decision, NoOptions, Posture, Prompt, Proposal, Request, hookimpl
from llm_gateway.plugins import PluginError, PluginHost, PluginRecord, PluginState
from tests.unit.plugin_samples import House, Parrot, Point, Watcher, record_of


class Loose(BaseModel):
    pass


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
        ({"limits": Feathers}, "section limits"),
        ({"parrot": Grabbing}, ": executable"),
        ({"garden": Feathers}, "plugin garden"),
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


def test_each_plugin_is_handed_the_sections_that_it_brought_and_no_other() -> None:
    class Taking:
        taken: Any = None

        @hookimpl
        def gateway_configure(self, settings: Any) -> None:
            self.taken = settings

    class ParrotTaking(Taking, Parrot):
        pass

    class HouseTaking(Taking, Watcher):
        pass

    host = PluginHost()
    parrot = settings_plugin({"parrot": Feathers, "cage": Feathers}, ParrotTaking)
    garden = settings_plugin({"garden": Feathers}, HouseTaking)
    record_of(parrot, host=host)
    record_of(garden, kind="extension", name="garden", host=host)
    top = {"cage": Feathers(colour="gold"), "garden": Feathers(colour="blue")}
    host.configure(top, {"parrot": Feathers(colour="red")})
    assert {name: model.colour for name, model in parrot.taken.items()} == {"parrot": "red", "cage": "gold"}
    assert {name: model.colour for name, model in garden.taken.items()} == {"garden": "blue"}


def test_a_plugin_that_cannot_take_its_settings_stops_the_start_and_is_named() -> None:
    class Refusing(Watcher):
        @hookimpl
        def gateway_configure(self, settings: Any) -> None:
            raise ValueError("the garden is full")

    host = PluginHost()
    record_of(Refusing(), kind="extension", name="garden", host=host)
    with pytest.raises(PluginError, match=r"garden.*gateway_configure.*the garden is full"):
        host.configure({}, {})


def product(name: str) -> SimpleNamespace:
    """The distribution of a plugin of the product."""
    return SimpleNamespace(name=f"llm-gateway-extension-{name}", version="0.1")


REQUEST = Request(provider="parrot", prompt=Prompt(text="hello"), working_dir="/")
PROPOSAL = Proposal(
    request=REQUEST, posture=Posture.PROMPTED, strategy="legacy", strictness="balanced", bypass_allowed=False
)
PRICING = Point("pricing", lambda: settings_plugin({"pricing": Feathers}), kind="extension", dist=product("builtin"))


def loaded(*points: Point, kinds: tuple[str, ...] = ("policy", "extension", "provider")) -> PluginHost:
    host = PluginHost(points)  # type: ignore[arg-type]  # they are entry points as far as the host looks
    host.load(kinds)
    return host


def of(host: PluginHost, key: str) -> PluginRecord:
    return next(record for record in host.records if record.key == key)


@pytest.mark.parametrize("name", ["pricing", "aaa", "zzz"], ids=["of the same name", "loaded before", "loaded after"])
@pytest.mark.parametrize("kind", ["policy", "extension"])
def test_a_section_of_the_product_is_taken_by_no_stranger(kind: str, name: str) -> None:
    class Judge(Watcher):
        @hookimpl
        def gateway_approve(self) -> None: ...

    if (kind, name) == ("extension", "pricing"):
        return  # two of one kind and name are both refused, see test_plugins_refusals.py
    base = Judge if kind == "policy" else Watcher
    stranger = Point(name, lambda: settings_plugin({"pricing": Feathers}, base), kind=kind)
    host = loaded(stranger, PRICING)
    refused = of(host, f"{kind}:{name}")
    assert refused.state is PluginState.FAILED
    assert "the settings section pricing" in refused.problem
    assert "plugin pricing (llm-gateway-extension-builtin 0.1)" in refused.problem
    assert of(host, "extension:pricing").state is PluginState.LOADED
    denied = [verdict for _, verdict in host.approve(PROPOSAL) if verdict.decision is Decision.DENY]
    assert bool(denied) == (kind == "policy")
    assert all("the settings section pricing" in verdict.reasons[0] for verdict in denied)


def test_a_section_of_a_plugin_of_the_product_that_is_not_loaded_is_kept_for_it() -> None:
    host = loaded(
        PRICING, Point("aaa", lambda: settings_plugin({"pricing": Feathers}), kind="policy"), kinds=("policy",)
    )
    assert of(host, "policy:aaa").state is PluginState.FAILED
    assert "pricing" not in host.settings_sections().top


def test_of_two_strangers_the_first_keeps_the_section() -> None:
    points = [Point(name, lambda: settings_plugin({"garden": Feathers}), kind="extension") for name in ("one", "two")]
    host = loaded(*points)
    assert of(host, "extension:one").state is PluginState.LOADED
    assert "plugin one (parrot-dist 1.2)" in of(host, "extension:two").problem


def test_a_providers_own_section_is_another_table_than_an_extensions_of_that_name() -> None:
    points = [
        Point("parrot", lambda: settings_plugin({"parrot": Feathers}), kind="extension"),
        Point("parrot", lambda: settings_plugin({"parrot": Feathers}, Parrot)),
    ]
    host = loaded(*points)
    assert host.problems == ()
    assert dict(host.settings_sections().top) == dict(host.settings_sections().providers) == {"parrot": Feathers}
