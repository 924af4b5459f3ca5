"""Whatever stands in the settings file or in a variable: settings, or a refusal that says what is wrong. Never a crash."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, strategies as st

from llm_gateway.settings import Settings, SettingsError, load_settings
from llm_gateway.settings.keys import env_keys
from llm_gateway.settings.model import FileSettings, PluginSections

SECTIONS = PluginSections(providers={"parrot": None})
NAMES = sorted(env_keys(SECTIONS))
WORDS = st.sampled_from([*FileSettings.model_fields, "running", "url", "parrot", "a.b", '"x y"', "[x]", "🦜", ""])
VALUES = st.sampled_from(
    [
        "1",
        "-1",
        "1e999",
        "nan",
        "9" * 400,
        "true",
        '"x"',
        "'''",
        "[]",
        "{}",
        "{a.b = 1}",
        "[[",
        "1979-05-27",
        '"\\u0000"',
    ]
)
LINES = st.one_of(
    st.builds("[{}]".format, WORDS),
    st.builds("[providers.{}]".format, WORDS),
    st.builds("[mcp_servers.{}]".format, WORDS),
    st.builds("{} = {}".format, WORDS, VALUES),
)
PLAIN = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


def read(data: bytes, **environ: str) -> Settings | SettingsError:
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "config.toml").write_bytes(data)
        try:
            return load_settings({"LLM_GATEWAY_HOME": home, **environ}, SECTIONS)
        except SettingsError as refusal:
            return refusal


@given(st.binary(max_size=200))
def test_any_bytes_are_settings_or_a_refusal(data: bytes) -> None:
    read(data)


@given(st.lists(LINES, max_size=8))
def test_any_lines_of_toml_are_settings_or_a_refusal(lines: list[str]) -> None:
    read("\n".join(lines).encode())


def test_tables_as_deep_as_a_file_can_say_are_a_refusal() -> None:
    assert isinstance(read(b"x = " + b"[" * 5000 + b"]" * 5000), SettingsError)
    assert isinstance(read(b"x = " + b"{a = " * 5000 + b"1" + b"}" * 5000), SettingsError)
    assert isinstance(read(b".".join([b"a"] * 5000) + b" = 1"), SettingsError)


@given(name=st.sampled_from(NAMES), value=PLAIN)
def test_any_value_of_a_variable_is_a_setting_or_a_refusal(name: str, value: str) -> None:
    read(b"", **{name: value})
