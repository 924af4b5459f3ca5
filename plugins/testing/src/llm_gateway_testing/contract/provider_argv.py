"""A value from a caller stays a value. It must never become a flag, a subcommand or another program."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from llm_gateway import Invocation, Posture, Prompt, Request, Resume
from llm_gateway_testing.contract.provider_case import ASKED, SECRET, ProviderCase, bounded

PLAIN = "plainword"
LONG = "a canary that sings. " * 500
FLAGS = ("-h", "--help", "-p", "--version", "--", "-", "--model=x", "--yolo", "-c", "--dangerously-skip", "--output=x")
LETTERS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60)
HOSTILE = st.one_of(st.sampled_from(FLAGS), LETTERS, LETTERS.map(lambda text: f"-{text}"))
Put = Callable[[Request, str], Request]

#: Every field of a request whose text a caller chooses and that goes into a command.
FIELDS: dict[str, Put] = {
    "model": lambda request, word: replace(request, model=word),
    "effort": lambda request, word: replace(request, effort=word),
    "addDirs": lambda request, word: replace(request, add_dirs=(f"/{word}",)),
    "allowedTools": lambda request, word: replace(request, allowed_tools=(word,)),
    "disallowedTools": lambda request, word: replace(request, disallowed_tools=(word,)),
}


class ArgvContract(ProviderCase):
    """`gateway_build_argv`."""

    def test_its_program_is_in_the_command(self) -> None:
        argv = self.build(self.request()).argv
        assert self.info.executable in argv, (
            f"put `ProviderInfo.executable` ({self.info.executable!r}) into argv: {argv}"
        )

    def test_the_same_request_gives_the_same_command(self) -> None:
        resume = self.fresh()
        before = dict(os.environ)
        first = self.build(self.request(), resume=resume)
        second = self.build(self.request(), resume=resume)
        assert first == second, "`gateway_build_argv` must be pure: no random value and no clock in the command"
        assert dict(os.environ) == before, "`gateway_build_argv` must not change os.environ: use `Invocation.env`"

    @bounded
    @given(prompt=LETTERS)
    def test_lesson_78_the_prompt_arrives_unchanged_and_not_as_a_flag(self, prompt: str) -> None:
        resume = self.fresh()
        invocation = self.build(self.request(f"canary {prompt}"), resume=resume)
        shown = [argument for argument in invocation.argv if "canary" in argument]
        if not self.prompt_in_argv_because:
            assert not shown, (
                "the prompt is in argv: every user of the machine can read it, and it is limited to 128 KiB. Use "
                "`Invocation.stdin` or a file. If the CLI takes it only as an argument, say why in `prompt_in_argv_because`"
            )
        passed_on = "".join([*shown, *map(_text, [invocation.stdin or b"", *invocation.files.values()])])
        assert "canary" in passed_on, "the prompt does not reach the program: put it into `Invocation.stdin` or a file"

    @pytest.mark.parametrize("prompt", ["--help", "-", "--", "/quit", "@/etc/passwd", "update", "!ls"])
    def test_lesson_78_a_prompt_that_looks_like_a_flag_or_a_command_changes_nothing_else(self, prompt: str) -> None:
        resume = self.fresh()
        hostile = self.try_build(self.request(prompt), resume=resume)
        if hostile is not None:
            _same_flags(self.build(self.request(PLAIN), resume=resume), hostile)

    def test_lesson_22_a_prompt_of_a_megabyte_is_not_put_into_argv(self) -> None:
        if not self.prompt_in_argv_because:
            invocation = self.build(self.request("€" * 350_000))
            longest = max(map(len, invocation.argv))
            assert longest < 10_000, f"an argument of {longest} characters: pass the prompt on in `Invocation.stdin`"

    def test_long_texts_are_not_in_argv(self) -> None:
        """Every user of the machine can read argv. What the CLI takes in no other way is named, with the reason."""
        shown = set[str]()
        if "outputSchema" in self.info.supports:
            field, schema = ASKED["outputSchema"]
            schema = {**self.values.get("outputSchema", schema), "description": LONG}
            asked: dict[str, Any] = {field: schema}
            if made := self.try_build(self.request(**asked)):
                shown |= {"outputSchema"} if any(LONG in word for word in made.argv) else set()
        for name, option in self.info.options_model.model_fields.items():
            try:
                options = self.info.options_model.model_validate({option.alias or name: LONG})
            except ValidationError:
                continue  # not a text, or only one of a few words
            made = self.try_build(self.request(options=options))
            if made and any(LONG in word for word in made.argv):
                shown.add(option.alias or name)
        assert shown == set(self.in_argv_because), (
            "in_argv_because names what cannot travel by a file, and nothing else"
        )
        assert all(self.in_argv_because.values()), "the reason is for those who read the provider's page"

    @pytest.mark.parametrize("name", FIELDS)
    @bounded
    @given(word=HOSTILE)
    def test_lesson_78_no_value_becomes_a_flag(self, name: str, word: str) -> None:
        if name != "model" and name not in self.info.supports:
            return
        resume = self.fresh()
        invocation = self.try_build(FIELDS[name](self.request(), word), resume=resume)
        if invocation is not None:
            field, default = ASKED.get(name, ("model", PLAIN))
            plain = self.request(**{field: self.values.get(name, default)})
            _same_flags(self._build_value(name, plain, resume), invocation)

    @pytest.mark.parametrize("name", FIELDS)
    def test_lesson_24_a_nul_byte_is_refused_or_kept_for_the_gateway_to_refuse(self, name: str) -> None:
        if name != "model" and name not in self.info.supports:
            return
        invocation = self.try_build(FIELDS[name](self.request(), "nul\0byte"))
        if invocation is not None:
            kept = [*invocation.argv, *invocation.env.values(), *map(_text, invocation.files.values())]
            assert any("\0" in text or "\\u0000" in text for text in kept), (
                f"a NUL byte in {name} was removed silently: raise InvalidRequest, or keep it, and the gateway refuses it"
            )

    def test_every_declared_parameter_reaches_the_program(self) -> None:
        resume = self.fresh()
        plain = self.build(self.request(), resume=resume)
        for name in sorted(self.info.supports & ASKED.keys()):
            field, default = ASKED[name]
            request = self.request(**{field: self.values.get(name, default)})
            invocation = self._build_value(name, request, resume)
            assert _visible(invocation) != _visible(plain), (
                f"`ProviderInfo.supports` names {name!r}, but its value does not change the command: pass it on in "
                f"`gateway_build_argv`, or remove it from `supports`"
            )

    def test_a_model_reaches_the_program(self) -> None:
        resume = self.fresh()
        named = self.request(model=str(self.values.get("model", "some-model")))
        with_model = self._build_value("model", named, resume)
        without_model = self.build(self.request(), resume=resume)
        assert _visible(with_model) != _visible(without_model), (
            "`Request.model` does not change the command: pass it on in `gateway_build_argv`"
        )

    def test_lesson_82_a_secret_of_an_mcp_server_is_not_in_argv(self) -> None:
        if "mcpServers" in self.info.supports:
            invocation = self.build(self.request(mcp_servers=ASKED["mcpServers"][1]))
            assert not [argument for argument in invocation.argv if SECRET in argument], (
                "argv holds a value of `McpServer.env`, and every user can read argv: use `Invocation.files` or `env`"
            )

    def test_every_declared_level_can_be_built(self) -> None:
        commands = self._command_of_each_level(self.fresh())
        if len(commands) > 1:
            assert commands[min(commands)] != commands[max(commands)], (
                "the lowest and the highest level of `ProviderInfo.postures` give the same command: the CLI would not "
                "keep to the level"
            )

    def test_lesson_33_a_resumed_run_gets_its_level_again(self) -> None:
        if "sessionId" not in self.info.supports:
            return
        resume = self.host.resume_session(self.name, self.request(), self.session(self.native_id()))
        commands = self._command_of_each_level(resume)
        if len(commands) > 1:
            assert commands[min(commands)] != commands[max(commands)], (
                "a resumed run has the same command at every level: pass the level on in a resumed run, too"
            )

    def test_its_files_have_plain_names_and_it_sets_no_reserved_variable(self) -> None:
        fields = {
            field: self.values.get(name, value) for name, (field, value) in ASKED.items() if name in self.info.supports
        }
        for invocation in self._each_level(**fields):
            for name in invocation.files:
                assert not name.startswith("/"), f"`Invocation.files` has an absolute name: {name}"
                assert ".." not in name.split("/"), f"a name in `Invocation.files` leaves the folder of the run: {name}"
            reserved = [name for name in invocation.env if name.startswith("LLM_GATEWAY_") or name in ("PATH", "HOME")]
            assert not reserved, f"`Invocation.env` must not set {reserved}: the gateway sets them"

    def test_a_prompt_that_cannot_be_encoded_raises_no_unexpected_error(self) -> None:
        self.try_build(replace(self.request(), prompt=Prompt(text="half \ud800 pair")))

    def _build_value(self, name: str, request: Request, resume: Resume) -> Invocation:
        """Build a command with the suite's value for the parameter `name`; fail with advice if the plugin refuses it."""
        invocation = self.try_build(request, resume=resume)
        assert invocation is not None, (
            f"the plugin refused the suite's value for {name!r}: set `values[{name!r}]` to a value that the CLI accepts"
        )
        return invocation

    def _command_of_each_level(self, resume: Resume) -> dict[Posture, Any]:
        return {posture: _visible(self.build(self.request(), posture, resume)) for posture in self.info.postures}

    def _each_level(self, **fields: Any) -> Iterator[Invocation]:
        for posture in self.info.postures:
            invocation = self.try_build(self.request(**fields), posture)
            if invocation is not None:  # a level may refuse a tool
                yield invocation


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _visible(invocation: Invocation) -> Any:
    """Everything in a command that the program can see."""
    return invocation.argv, invocation.stdin, dict(invocation.env), dict(invocation.files)


def _same_flags(plain: Invocation, hostile: Invocation) -> None:
    """Check that a hostile value is at the same position as a plain value and cannot be read as a flag."""
    assert len(plain.argv) == len(hostile.argv), (
        f"a value from a caller changed the number of arguments, from {plain.argv} to {hostile.argv}"
    )
    for number, (before, after) in enumerate(zip(plain.argv, hostile.argv)):  # noqa: B905 - lengths are equal
        if before == after or "--" in plain.argv[:number]:
            continue  # after `--` no argument is a flag
        flag, equals, _ = before.partition("=")
        if before.startswith("-") and equals:
            assert after.startswith(f"{flag}="), f"a value from a caller changed the flag {before!r} to {after!r}"
        else:
            assert not after.startswith("-"), (
                f"a value from a caller can be read as a flag: {after!r}. Pass it on as one argument, --flag=value"
            )
