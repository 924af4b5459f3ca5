"""The settings that plugins bring, and when they are refused for them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from llm_gateway import NoOptions, hookimpl
from llm_gateway.plugins import PluginError, PluginHost, PluginState
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
