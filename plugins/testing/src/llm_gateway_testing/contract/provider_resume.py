"""How a run enters its conversation."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, strategies as st

from llm_gateway import NativeSessionId, Resume
from llm_gateway_testing.contract.provider_case import OUR_ID, ProviderCase, bounded

NO_IDS = (
    "",
    " ",
    "-",
    "--help",
    "-r",
    "--resume=x",
    "a b",
    "a\nb",
    "a\0b",
    "../../etc/passwd",
    "/etc/passwd",
    OUR_ID + "\n",
)


class ResumeContract(ProviderCase):
    """`gateway_resume_session`, and what `gateway_build_argv` makes of it."""

    def test_without_a_session_a_conversation_begins(self) -> None:
        resume = self.fresh()
        assert resume.fresh
        if resume.native_id is not None:
            assert re.fullmatch(self.info.native_id_pattern, resume.native_id)
            assert self.fresh().native_id != resume.native_id, "two conversations under one id"

    def test_a_session_that_has_no_native_id_yet_begins_its_conversation(self) -> None:
        resume = self.host.resume_session(self.name, self.request(), self.session(None))
        assert resume.fresh

    def test_a_session_is_continued_by_its_native_id(self) -> None:
        native = self.native_id()
        assert re.fullmatch(self.info.native_id_pattern, native)
        session = self.session(native)
        if "sessionId" not in self.info.supports:
            assert self.try_resume(session) is None, "what it cannot continue, it must refuse"
            return
        resume = self.host.resume_session(self.name, self.request(), session)
        assert resume == Resume(native_id=NativeSessionId(native), fresh=False)
        made = self.build(self.request(), resume=resume)
        told = [*made.argv, *made.env.values(), *(data.decode("utf-8", "replace") for data in made.files.values())]
        assert any(native in word for word in told), "the id is not told to the program"

    def test_lesson_32_our_own_id_never_reaches_the_program(self) -> None:
        for native in (None, self.native_id()):
            if resume := self.try_resume(self.session(native)):
                made = self.build(self.request(), resume=resume)
                assert OUR_ID not in " ".join([*made.argv, *made.env.values()])
                assert not any(OUR_ID.encode() in data for data in [made.stdin or b"", *made.files.values()])

    @pytest.mark.parametrize("word", NO_IDS, ids=ascii)
    def test_lesson_75_what_is_no_id_does_not_pass_for_one(self, word: str) -> None:
        assert not re.fullmatch(self.info.native_id_pattern, word), "native_id_pattern is too wide"

    @bounded
    @given(data=st.data())
    def test_lesson_78_whatever_passes_for_an_id_is_no_flag(self, data: st.DataObject) -> None:
        if "sessionId" not in self.info.supports:
            return
        native = data.draw(st.from_regex(self.info.native_id_pattern, fullmatch=True))
        assert not native.startswith("-")
        if resume := self.try_resume(self.session(native)):
            assert not resume.fresh, "a conversation that was asked for is continued or refused, not begun anew"
            self.build(self.request(), resume=resume)
