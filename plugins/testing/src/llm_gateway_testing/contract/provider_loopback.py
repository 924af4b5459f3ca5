"""`gateway_loopback`, if the plugin has it: `llm-gateway verify` can use what it returns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from llm_gateway import Loopback
from llm_gateway_testing.contract.provider_case import ProviderCase

SERVICE = "http://127.0.0.1:4000"
#: Keys of `[providers.<name>]` that every provider has, and that a loopback may need.
SHARED_KEYS = ("env", "env_pass", "config", "instructions", "user_hooks", "user_mcp_servers")
FOLDER = "/tmp/home-of-a-run"  # noqa: S108 - only a name


class LoopbackContract(ProviderCase):
    """How the CLI is pointed at a model service on this machine."""

    def test_it_is_pointed_at_the_given_service_and_at_no_other(self) -> None:
        for made in self._loopbacks():
            texts = [*made.env.values(), json.dumps(made.settings), *map(str, made.files.values())]
            assert any(SERVICE in text for text in texts) or self._asks_no_model(made), (
                "`Loopback` does not contain the service's address: the CLI would ask its real service"
            )
            others = [text for text in texts if "://" in text.replace(SERVICE, "")]
            assert others == [], f"`Loopback` contains the address of another service: {others}"

    def test_what_points_it_there_reaches_the_run(self) -> None:
        for made in self._loopbacks():
            passed = {*self.info.env, *made.settings.get("env_pass", ())}
            names = [name for name in (*made.env, *filter(None, [made.key])) if not _matches(name, passed)]
            assert names == [], f"`ProviderInfo.env` keeps these variables from the run: {names}"

    def test_its_files_stay_in_the_folder(self) -> None:
        for made in self._loopbacks():
            paths = [PurePosixPath(name) for name in made.files]
            assert [path for path in paths if path.is_absolute() or ".." in path.parts] == [], (
                "paths of `Loopback.files` are relative to the folder"
            )

    def test_its_settings_and_tool_calls_are_plain_json(self) -> None:
        for made in self._loopbacks():
            json.dumps(made.settings)
            calls = [made.write("/somewhere/x", "text")] if made.write else []
            calls += [made.shell("echo hello")] if made.shell else []
            for name, arguments in calls:
                assert name, "a tool call has no name"
                assert "\n" not in json.dumps({name: dict(arguments)})

    def test_its_settings_are_keys_of_the_section(self) -> None:
        model = self.host.settings_sections().providers.get(self.name)
        for made in self._loopbacks():
            own = {key: value for key, value in made.settings.items() if key not in SHARED_KEYS}
            if model is None:
                assert own == {}, f"the plugin adds no settings, so `Loopback.settings` may name only {SHARED_KEYS}"
            else:
                model.model_validate(own)

    def test_the_same_service_gives_the_same_answer(self) -> None:
        for first, second in zip(self._loopbacks(), self._loopbacks(), strict=True):
            assert (first.env, first.files, first.settings) == (second.env, second.files, second.settings)

    def _loopbacks(self) -> Iterator[Loopback]:
        made = self.host.loopback(self.name, service=SERVICE, folder=FOLDER, variant=self.variant)
        if made is not None:
            yield made

    @staticmethod
    def _asks_no_model(made: Loopback) -> bool:
        return "answer" in made.differs


def _matches(name: str, patterns: set[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
