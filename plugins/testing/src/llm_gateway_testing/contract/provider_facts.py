"""The description of a provider is complete and consistent; its options are small, strict and safe."""

from __future__ import annotations

import inspect
import json
import re
import signal
from fnmatch import fnmatchcase
from typing import Any

import pytest
from pydantic import ValidationError

from llm_gateway import GatewayError, ModelInfo, Posture, Record, UpgradePlan, Usage
from llm_gateway_testing.contract.provider_case import NOON, ProviderCase

#: Environment variables with credentials. A provider may see those of its own service only.
CREDENTIALS = (
    *("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", "OPENAI_API_KEY", "CODEX_API_KEY"),
    *("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_APPLICATION_CREDENTIALS", "XAI_API_KEY", "MISTRAL_API_KEY"),
    *("DASHSCOPE_API_KEY", "DEEPSEEK_API_KEY", "OPENROUTER_API_KEY", "GROQ_API_KEY", "AZURE_OPENAI_API_KEY"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "GITHUB_TOKEN", "GH_TOKEN", "NPM_TOKEN"),
    *("SSH_AUTH_SOCK", "DATABASE_URL"),
)
#: Environment variables that make a program load or run other code.
LOADERS = ("LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONSTARTUP", "NODE_OPTIONS", "NODE_PATH", "BASH_ENV")
HOSTILE_VERSIONS = ("", " ", "--index-url=x", "-g", "1.0; touch x", "1.0 other", "$(x)", "../x", "1.0\n2", "1\x000")


def _samples(shown: dict[str, Any], schema: dict[str, Any]) -> list[Any]:
    """Values that the JSON schema of a field certainly accepts."""
    if "$ref" in shown:
        shown = schema["$defs"][shown["$ref"].rsplit("/", 1)[-1]]
    values = list(shown.get("enum", []))
    if shown.get("type") == "array" and not shown.get("minItems"):
        values.append([])
    for alternative in shown.get("anyOf", []):
        values += _samples(alternative, schema)
    return values


class FactsContract(ProviderCase):
    """`gateway_describe_provider`, the options, and the hooks for models, upgrades and the cache."""

    def test_the_gateway_loads_it_under_its_name(self) -> None:
        described = self.host.providers[self.name].name
        assert described == self.name, f"`ProviderInfo.name` is {described!r}, the entry point's name {self.name!r}"
        assert not self.host.problems, f"loading the plugin reported problems: {self.host.problems}"

    def test_it_describes_itself_completely(self) -> None:
        info = self.info
        assert info.title.strip(), "`ProviderInfo.title` is empty: give the CLI's name as people write it"
        assert info.executable, "`ProviderInfo.executable` is empty: give the program's name on PATH"
        assert "/" not in info.executable, (
            "`ProviderInfo.executable` is a path: give a name, the gateway finds the path"
        )
        assert info.install.strip(), "`ProviderInfo.install` is empty: `not_installed` shows it to the user"
        assert info.version_argv, "`ProviderInfo.version_argv` is empty: the gateway runs it to learn the version"
        assert info.end_steps, "`ProviderInfo.end_steps` is empty: give at least one signal that ends a run"
        for step in info.end_steps:
            allowed = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
            assert step.signal in allowed, f"`EndStep.signal` is {step.signal}: use SIGTERM, SIGINT, SIGHUP or SIGQUIT"
            assert 0 < step.grace_s <= 30, f"`EndStep.grace_s` is {step.grace_s}: use more than 0 s and at most 30 s"

    def test_its_description_is_the_same_each_time(self) -> None:
        first, second = (self.host.providers[self.name] for _ in range(2))
        assert first == second, "`gateway_describe_provider` returned two different descriptions"

    def test_its_postures_are_levels_without_repetition(self) -> None:
        postures = self.info.postures
        assert len(set(postures)) == len(postures), f"`ProviderInfo.postures` repeats a level: {postures}"
        assert self.info.default_posture < Posture.BYPASS, "`default_posture` must be below bypass"

    def test_lesson_45_it_sees_no_credentials_of_other_services(self) -> None:
        seen = {name for name in CREDENTIALS if self._sees(name)}
        assert seen <= self.credentials, (
            f"`ProviderInfo.env` passes credentials on: {sorted(seen - self.credentials)}. If they belong to this CLI's "
            "service, name them in `credentials` of the test class; otherwise remove them from `env`"
        )

    def test_lesson_45_it_sees_no_variable_that_loads_other_code(self) -> None:
        assert [name for name in LOADERS if self._sees(name)] == [], "remove these names from `ProviderInfo.env`"

    def test_it_sees_no_settings_of_the_gateway(self) -> None:
        names = ("LLM_GATEWAY_HOME", "LLM_GATEWAY_CONFIG", "LLM_GATEWAY_APPROVAL_ALLOW_BYPASS")
        assert [name for name in names if self._sees(name)] == [], "remove these names from `ProviderInfo.env`"

    def test_its_options_have_defaults_and_refuse_unknown_names(self) -> None:
        self.info.options_model()
        with pytest.raises(ValidationError):
            self.info.options_model.model_validate({"noSuchOptionOfThisProvider": 1})

    def test_its_options_are_camel_case_and_have_descriptions(self) -> None:
        schema = self.info.options_model.model_json_schema(by_alias=True)
        for name, shown in schema.get("properties", {}).items():
            assert re.fullmatch(r"[a-z][A-Za-z0-9]*", name), (
                f"rename the option {name!r}: the wire name must be camelCase"
            )
            assert shown.get("description"), (
                f"the option {name!r} has no description: say what it does and when to use it"
            )

    def test_lesson_58_its_options_accept_json_values(self) -> None:
        """The gateway validates JSON arguments strictly, so a field of type tuple, set or Enum accepts none of them."""
        model = self.info.options_model
        schema = model.model_json_schema(by_alias=True)
        for name, shown in schema.get("properties", {}).items():
            for value in _samples(shown, schema):
                model.model_validate({name: value}, strict=True, by_alias=True)

    def test_lesson_70_its_options_stay_small(self) -> None:
        shown = json.dumps(self.info.options_model.model_json_schema(by_alias=True).get("properties", {}))
        assert len(shown) < 2000, f"{len(shown)} bytes of options: every session sends them to a model; keep below 2000"

    def test_without_options_no_level_is_chosen(self) -> None:
        chosen = self.info.posture_of(self.info.options_model())
        assert chosen is None, f"`ProviderInfo.posture_of` returns {chosen} without options: return None"

    def test_its_own_options_for_a_level_choose_that_level(self) -> None:
        for posture, options in self.spellings.items():
            chosen = self.info.posture_of(self.info.options_model.model_validate(options))
            assert chosen is posture, f"`posture_of` reads {options} as {chosen}; `spellings` says {posture}"
            assert posture in self.info.postures, (
                f"{options} chooses {posture}, which is not in `ProviderInfo.postures`"
            )

    def test_lesson_39_models_are_listed_with_their_source_and_without_the_program(self, bare_machine: None) -> None:
        models = self.host.list_models(self.name)
        for model in models:
            assert isinstance(model, ModelInfo), f"`gateway_list_models` returned {model!r}: return ModelInfo objects"
            assert model.id, "a model has an empty `ModelInfo.id`"
            assert model.source, f"model {model.id!r} has an empty `ModelInfo.source`: say where the entry comes from"
        assert len({model.id for model in models}) == len(models), "`gateway_list_models` returned an id twice"
        assert sum(model.default for model in models) <= 1, "`gateway_list_models` marked several models as default"

    def test_an_upgrade_is_one_command_or_none(self, bare_machine: None) -> None:
        plan = self.host.upgrade_plan(self.name, None)
        assert plan is None or self._is_a_command(plan), f"not a complete upgrade plan: {plan}"

    @pytest.mark.parametrize("version", HOSTILE_VERSIONS, ids=ascii)
    def test_lesson_53_a_hostile_version_is_refused(self, bare_machine: None, version: str) -> None:
        try:
            plan = self.host.upgrade_plan(self.name, version)
        except GatewayError as refusal:
            if refusal.code != "invalid_request":
                raise
            return
        assert plan is None, f"the version {version!r} was put into the command {plan.argv}: raise InvalidRequest"

    def test_unknown_cached_tokens_are_not_invented(self) -> None:
        record = Record(
            job_id="job-1",  # type: ignore[arg-type]  # any id
            principal="local",
            correlation_id="",
            provider=self.name,
            posture=self.info.default_posture,
            usage=Usage(),
            started_at=NOON,
            duration_s=1.0,
            outcome="completed",
        )
        account = self.host.account_cache(self.name, record)
        if account is not None:
            assert account.read_tokens is None, "`Usage` has no count of cached tokens: leave `read_tokens` None"
            assert account.saved_usd is None, "`Usage` has no count of cached tokens: leave `saved_usd` None"
        assert not self.host.problems, f"`gateway_account_cache` failed: {self.host.problems}"

    def test_no_hook_is_a_coroutine(self) -> None:
        hooks = [getattr(self.plugin, name) for name in dir(self.plugin) if name.startswith("gateway_")]
        coroutines = [hook.__name__ for hook in hooks if inspect.iscoroutinefunction(hook)]
        assert coroutines == [], f"hooks of a provider are plain functions; remove `async` from {coroutines}"

    @pytest.fixture
    def bare_machine(self, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """Hide all programs and all configuration."""
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setenv("HOME", str(tmp_path))
        for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
            monkeypatch.setenv(name, str(tmp_path))

    def _sees(self, name: str) -> bool:
        return any(fnmatchcase(name, shown) for shown in self.info.env)

    @staticmethod
    def _is_a_command(plan: UpgradePlan) -> bool:
        return len(plan.argv) > 1 and all(isinstance(word, str) and word for word in plan.argv) and bool(plan.method)
