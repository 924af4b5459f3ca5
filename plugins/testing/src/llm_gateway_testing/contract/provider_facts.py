"""What a provider says of itself holds together, and what it says is small, strict and safe."""

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

#: Names that give an account away. A provider is shown the ones of its own service and no other.
CREDENTIALS = (
    *("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", "OPENAI_API_KEY", "CODEX_API_KEY"),
    *("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_APPLICATION_CREDENTIALS", "XAI_API_KEY", "MISTRAL_API_KEY"),
    *("DASHSCOPE_API_KEY", "DEEPSEEK_API_KEY", "OPENROUTER_API_KEY", "GROQ_API_KEY", "AZURE_OPENAI_API_KEY"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "GITHUB_TOKEN", "GH_TOKEN", "NPM_TOKEN"),
    *("SSH_AUTH_SOCK", "DATABASE_URL"),
)
#: Names that make a program load or run something else.
LOADERS = ("LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONSTARTUP", "NODE_OPTIONS", "NODE_PATH", "BASH_ENV")
HOSTILE_VERSIONS = ("", " ", "--index-url=x", "-g", "1.0; touch x", "1.0 other", "$(x)", "../x", "1.0\n2", "1\x000")


def _samples(shown: dict[str, Any], schema: dict[str, Any]) -> list[Any]:
    """Values that a JSON schema surely takes."""
    if "$ref" in shown:
        shown = schema["$defs"][shown["$ref"].rsplit("/", 1)[-1]]
    own = [*shown.get("enum", []), *([[]] if shown.get("type") == "array" and not shown.get("minItems") else [])]
    return own + [value for one in shown.get("anyOf", []) for value in _samples(one, schema)]


class FactsContract(ProviderCase):
    """`gateway_describe_provider`, options, and the hooks that answer on demand."""

    def test_it_is_let_in_under_its_own_name(self) -> None:
        assert self.host.providers[self.name].name == self.name
        assert not self.host.problems

    def test_it_describes_itself_completely(self) -> None:
        info = self.info
        assert info.title.strip()
        assert info.executable, "the program's name on PATH"
        assert "/" not in info.executable, "a name, not a path: the gateway looks for it on PATH"
        assert info.install.strip(), "not_installed must be able to say how it is installed"
        assert info.version_argv, "the gateway asks for the version"
        assert info.end_steps, "at least one signal that ends a run"
        for step in info.end_steps:
            assert step.signal in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
            assert 0 < step.grace_s <= 30

    def test_it_says_the_same_each_time(self) -> None:
        first, second = (self.host.providers[self.name] for _ in range(2))
        assert first == second

    def test_its_postures_are_levels_without_repetition(self) -> None:
        assert len(set(self.info.postures)) == len(self.info.postures)
        assert self.info.default_posture < Posture.BYPASS, "nobody runs without limits by default"

    def test_lesson_45_it_is_shown_no_other_services_keys(self) -> None:
        seen = {name for name in CREDENTIALS if self._sees(name)}
        assert seen <= self.credentials, f"declare what is its own in `credentials`: {sorted(seen - self.credentials)}"

    def test_lesson_45_it_is_shown_nothing_that_loads_other_code(self) -> None:
        assert [name for name in LOADERS if self._sees(name)] == []

    def test_it_is_not_shown_the_gateways_own_settings(self) -> None:
        names = ("LLM_GATEWAY_HOME", "LLM_GATEWAY_CONFIG", "LLM_GATEWAY_APPROVAL_ALLOW_BYPASS")
        assert [name for name in names if self._sees(name)] == []

    def test_its_options_have_defaults_and_refuse_the_unknown(self) -> None:
        self.info.options_model()
        with pytest.raises(ValidationError):
            self.info.options_model.model_validate({"noSuchOptionOfThisProvider": 1})

    def test_its_options_are_camel_case_and_each_says_what_it_is_for(self) -> None:
        schema = self.info.options_model.model_json_schema(by_alias=True)
        for name, shown in schema.get("properties", {}).items():
            assert re.fullmatch(r"[a-z][A-Za-z0-9]*", name), f"{name} is not camelCase"
            assert shown.get("description"), f"{name} has no description"

    def test_lesson_58_its_options_can_be_said_in_json(self) -> None:
        """Arguments are checked strictly, as they come over the wire: a field of type tuple, set or Enum takes none of them."""
        model = self.info.options_model
        schema = model.model_json_schema(by_alias=True)
        for name, shown in schema.get("properties", {}).items():
            for value in _samples(shown, schema):
                model.model_validate({name: value}, strict=True, by_alias=True)

    def test_lesson_70_its_options_stay_small(self) -> None:
        shown = json.dumps(self.info.options_model.model_json_schema(by_alias=True).get("properties", {}))
        assert len(shown) < 2000, "an assistant reads this in every session"

    def test_without_options_no_level_is_spelled(self) -> None:
        assert self.info.posture_of(self.info.options_model()) is None

    def test_its_own_words_for_a_level_mean_that_level(self) -> None:
        for posture, words in self.spellings.items():
            spelled = self.info.posture_of(self.info.options_model.model_validate(words))
            assert spelled is posture, f"{words} spells {spelled}, not {posture}"
            assert posture in self.info.postures, f"{words} spells a level that it cannot hold"

    def test_lesson_39_models_are_listed_with_their_source_and_without_the_program(self, bare_machine: None) -> None:
        models = self.host.list_models(self.name)
        assert all(isinstance(model, ModelInfo) and model.id and model.source for model in models)
        assert len({model.id for model in models}) == len(models)
        assert sum(model.default for model in models) <= 1

    def test_an_upgrade_is_one_command_or_none(self, bare_machine: None) -> None:
        plan = self.host.upgrade_plan(self.name, None)
        assert plan is None or self._is_a_command(plan)

    @pytest.mark.parametrize("version", HOSTILE_VERSIONS, ids=ascii)
    def test_lesson_53_a_version_is_never_more_than_a_version(self, bare_machine: None, version: str) -> None:
        try:
            plan = self.host.upgrade_plan(self.name, version)
        except GatewayError as refusal:
            if refusal.code != "invalid_request":
                raise
            return
        assert plan is None, f"{version!r} became {plan.argv}"

    def test_cached_tokens_that_nobody_knows_are_not_invented(self) -> None:
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
        assert account is None or (account.read_tokens is None and account.saved_usd is None)
        assert not self.host.problems

    def test_nothing_of_a_hook_waits(self) -> None:
        hooks = [getattr(self.plugin, name) for name in dir(self.plugin) if name.startswith("gateway_")]
        assert [hook for hook in hooks if inspect.iscoroutinefunction(hook)] == []

    @pytest.fixture
    def bare_machine(self, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """No program and no configuration is to be found."""
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setenv("HOME", str(tmp_path))
        for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
            monkeypatch.setenv(name, str(tmp_path))

    def _sees(self, name: str) -> bool:
        return any(fnmatchcase(name, shown) for shown in self.info.env)

    @staticmethod
    def _is_a_command(plan: UpgradePlan) -> bool:
        return len(plan.argv) > 1 and all(isinstance(word, str) and word for word in plan.argv) and bool(plan.method)
