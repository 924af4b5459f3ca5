"""The pages on the agents say with which flags each level is held, as the plugins build them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llm_gateway import NativeSessionId, Posture, Prompt, ProviderInfo, Request, Resume
from llm_gateway.plugins import PluginHost

pytestmark = pytest.mark.docs

ROOT = Path(__file__).parents[2]
PROVIDERS = ("claude", "codex", "gemini", "grok", "mistral")
HERE = "/srv/project"


@pytest.fixture(scope="module")
def host() -> PluginHost:
    host = PluginHost.discover({})
    host.load(("provider",), PROVIDERS)
    return host


def page(provider: str) -> str:
    return (ROOT / f"docs/how-to/{provider}.md").read_text("utf-8")


def table(provider: str) -> list[list[str]]:
    """The cells of the rows that describe a level."""
    rows = [line.strip("| \n").split(" |") for line in page(provider).splitlines() if line.startswith("| `")]
    known = {posture.value for posture in Posture}
    return [row for row in rows if set(re.findall(r"`(\w+)`", row[0])) & known]


def flags(host: PluginHost, info: ProviderInfo, posture: Posture) -> set[str]:
    """What stands on the command line on this level."""
    request = Request(
        provider=info.name,
        prompt=Prompt(text="hello"),
        options=info.options_model(),
        working_dir=HERE,
        variant=info.variant,
    )
    fresh = Resume(fresh=True, native_id=NativeSessionId("00000000-0000-4000-8000-000000000000"))
    return set(host.build_argv(info.name, request, posture, fresh).argv)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_page_has_a_row_for_every_level_that_is_held_and_for_no_other(provider: str, host: PluginHost) -> None:
    named = [name for row in table(provider) for name in re.findall(r"`(\w+)`", row[0])]
    assert sorted(named) == sorted(posture.value for posture in host.providers[provider].postures)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_page_names_each_flag_that_makes_a_level(provider: str, host: PluginHost) -> None:
    words = page(provider).replace("'", "").replace('"', "")
    missing: set[str] = set()
    for info in host.providers[provider].programs.values():
        levels = [flags(host, info, posture) for posture in info.postures]
        special = set.union(*levels) - set.intersection(*levels)
        missing |= {flag for flag in special if flag.startswith("--") and spoken(flag) not in words}
    assert missing == set()


def spoken(flag: str) -> str:
    """What a page has to say of a flag: the whole, but of a long or a quoted value."""
    name, _, value = flag.partition("=")
    return flag if re.fullmatch(r"[\w.,()* -]{1,60}", value) else name


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_page_knows_every_word_of_the_provider_for_a_level(provider: str, host: PluginHost) -> None:
    schema = host.providers[provider].options_model.model_json_schema(by_alias=True)["properties"]
    for name in ("permissionMode", "approvalMode", "sandboxMode"):
        for choice in schema.get(name, {}).get("anyOf", []):
            for word in choice.get("enum", []):
                assert re.search(rf'["`]{re.escape(word)}["`]', page(provider)), f"{provider}: {name} {word}"
