"""Whatever a caller writes stays what it is: words, a name, a path. Never a flag, a subcommand or another program."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from llm_gateway import Invocation, Posture, Prompt, Request
from llm_gateway_testing.contract.provider_case import ASKED, SECRET, ProviderCase, bounded

PLAIN = "plainword"
LONG = "a canary that sings. " * 500
FLAGS = ("-h", "--help", "-p", "--version", "--", "-", "--model=x", "--yolo", "-c", "--dangerously-skip", "--output=x")
LETTERS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60)
HOSTILE = st.one_of(st.sampled_from(FLAGS), LETTERS, LETTERS.map(lambda text: f"-{text}"))
Put = Callable[[Request, str], Request]

#: Every place of a request that holds a caller's words, and goes into a command.
PLACES: dict[str, Put] = {
    "model": lambda request, word: replace(request, model=word),
    "effort": lambda request, word: replace(request, effort=word),
    "addDirs": lambda request, word: replace(request, add_dirs=(f"/{word}",)),
    "allowedTools": lambda request, word: replace(request, allowed_tools=(word,)),
    "disallowedTools": lambda request, word: replace(request, disallowed_tools=(word,)),
}


class ArgvContract(ProviderCase):
    """`gateway_build_argv`."""

    def test_its_program_is_in_the_command(self) -> None:
        assert self.info.executable in self.build(self.request()).argv

    def test_the_same_request_is_the_same_command(self) -> None:
        resume = self.fresh()
        before = dict(os.environ)
        first = self.build(self.request(), resume=resume)
        assert first == self.build(self.request(), resume=resume)
        assert dict(os.environ) == before, "building a command changes nothing"

    @bounded
    @given(prompt=LETTERS)
    def test_lesson_78_the_words_travel_whole_and_not_as_flags(self, prompt: str) -> None:
        resume = self.fresh()
        made = self.build(self.request(f"canary {prompt}"), resume=resume)
        shown = [word for word in made.argv if "canary" in word]
        if not self.prompt_in_argv_because:
            assert not shown, "the prompt stands in argv, for every user of the machine to read, and is cut at 128 KiB"
        assert "canary" in "".join([*shown, *map(_text, [made.stdin or b"", *made.files.values()])])

    @pytest.mark.parametrize("prompt", ["--help", "-", "--", "/quit", "@/etc/passwd", "update", "!ls"])
    def test_lesson_78_words_that_look_like_a_flag_or_a_command_change_nothing_else(self, prompt: str) -> None:
        resume = self.fresh()
        if hostile := self.try_build(self.request(prompt), resume=resume):
            _same_flags(self.build(self.request(PLAIN), resume=resume), hostile)

    def test_lesson_22_a_prompt_of_a_megabyte_can_travel(self) -> None:
        if not self.prompt_in_argv_because:
            made = self.build(self.request("€" * 350_000))
            assert max(map(len, made.argv)) < 10_000

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

    @pytest.mark.parametrize("place", PLACES)
    @bounded
    @given(word=HOSTILE)
    def test_lesson_78_no_value_becomes_a_flag(self, place: str, word: str) -> None:
        if place != "model" and place not in self.info.supports:
            return
        put, resume = PLACES[place], self.fresh()
        if made := self.try_build(put(self.request(), word), resume=resume):
            field, usual = ASKED.get(place, ("model", PLAIN))
            plain = self.request(**{field: self.values.get(place, usual)})
            _same_flags(self.build(plain, resume=resume), made)

    @pytest.mark.parametrize("place", PLACES)
    def test_lesson_24_a_nul_byte_is_refused_or_left_for_the_gateway_to_refuse(self, place: str) -> None:
        if place != "model" and place not in self.info.supports:
            return
        if made := self.try_build(PLACES[place](self.request(), "nul\0byte")):
            kept = [*made.argv, *made.env.values(), *map(_text, made.files.values())]
            assert any("\0" in word or "\\u0000" in word for word in kept), "it was dropped without a word"

    def test_every_declared_parameter_reaches_the_program(self) -> None:
        resume = self.fresh()
        plain = self.build(self.request(), resume=resume)
        for name in sorted(self.info.supports & ASKED.keys()):
            field, usual = ASKED[name]
            made = self.build(self.request(**{field: self.values.get(name, usual)}), resume=resume)
            assert _said(made) != _said(plain), f"supports names {name}, but it changes nothing"

    def test_a_model_reaches_the_program(self) -> None:
        resume = self.fresh()
        named = self.request(model=str(self.values.get("model", "some-model")))
        assert _said(self.build(named, resume=resume)) != _said(self.build(self.request(), resume=resume))

    def test_lesson_82_what_a_server_keeps_secret_is_not_in_argv(self) -> None:
        if "mcpServers" in self.info.supports:
            made = self.build(self.request(mcp_servers=ASKED["mcpServers"][1]))
            assert not [word for word in made.argv if SECRET in word]

    def test_every_level_that_it_declares_can_be_built(self) -> None:
        resume = self.fresh()
        made = {posture: _said(self.build(self.request(), posture, resume)) for posture in self.info.postures}
        if len(made) > 1:
            assert made[min(made)] != made[max(made)], "the lowest and the highest level are the same command"

    def test_lesson_33_a_resumed_run_is_held_to_its_level_again(self) -> None:
        if "sessionId" not in self.info.supports:
            return
        resume = self.host.resume_session(self.name, self.request(), self.session(self.native_id()))
        made: dict[Posture, Any] = {
            posture: _said(self.build(self.request(), posture, resume)) for posture in self.info.postures
        }
        if len(made) > 1:
            assert made[min(made)] != made[max(made)], "a resumed run says nothing of its posture"

    def test_its_files_have_plain_names_and_its_environment_is_its_own(self) -> None:
        asked = {
            field: self.values.get(name, value) for name, (field, value) in ASKED.items() if name in self.info.supports
        }
        for made in self._each_level(**asked):
            for name in made.files:
                assert not name.startswith("/"), name
                assert ".." not in name.split("/"), name
            assert not [name for name in made.env if name.startswith("LLM_GATEWAY_") or name in ("PATH", "HOME")]

    def test_words_that_no_encoding_holds_do_no_harm(self) -> None:
        self.try_build(replace(self.request(), prompt=Prompt(text="half \ud800 pair")))

    def _each_level(self, **asked: Any) -> Iterator[Invocation]:
        for posture in self.info.postures:
            if made := self.try_build(self.request(**asked), posture):  # a level may not permit a tool
                yield made


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _said(made: Invocation) -> Any:
    """All that a program could tell two commands apart by."""
    return made.argv, made.stdin, dict(made.env), dict(made.files)


def _same_flags(plain: Invocation, hostile: Invocation) -> None:
    """The words of a caller stand where they stood before, and none of them can be read as a flag."""
    assert len(plain.argv) == len(hostile.argv), f"{plain.argv} became {hostile.argv}"
    for number, (before, after) in enumerate(zip(plain.argv, hostile.argv)):  # noqa: B905 - just compared
        if before == after or "--" in plain.argv[:number]:
            continue  # behind `--` nothing is a flag
        flag, equals, _ = before.partition("=")
        if before.startswith("-") and equals:
            assert after.startswith(f"{flag}="), f"{before!r} became {after!r}"
        else:
            assert not after.startswith("-"), f"{before!r} became {after!r}: use --flag=value, one element"
