"""How a run starts or resumes its conversation."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import given, strategies as st

from llm_gateway import NativeSessionId, Resume
from llm_gateway_testing.contract.provider_case import OUR_ID, ProviderCase, bounded

INVALID_IDS = (
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
    """`gateway_resume_session`, and the command that `gateway_build_argv` builds from its result."""

    def test_without_a_session_a_new_conversation_begins(self) -> None:
        resume = self.fresh()
        assert resume.fresh, "`gateway_resume_session` got no session: return a Resume with `fresh=True`"
        if resume.native_id is not None:
            assert re.fullmatch(self.info.native_id_pattern, resume.native_id), (
                f"`native_id_pattern` does not match the new id {resume.native_id!r}: widen the pattern"
            )
            assert self.fresh().native_id != resume.native_id, "two new conversations got the same id"

    def test_a_session_without_a_native_id_begins_a_new_conversation(self) -> None:
        resume = self.host.resume_session(self.name, self.request(), self.session(None))
        assert resume.fresh, "the session has no `native_id` yet: return a Resume with `fresh=True`"

    def test_a_session_is_continued_by_its_native_id(self) -> None:
        native = self.native_id()
        assert re.fullmatch(self.info.native_id_pattern, native), (
            f"`native_id_pattern` {self.info.native_id_pattern!r} does not match {native!r}. If the pattern is right, set "
            "`values['sessionId']` to an id as this CLI gives it; otherwise correct the pattern"
        )
        session = self.session(native)
        if "sessionId" not in self.info.supports:
            assert self.try_resume(session) is None, (
                "`supports` does not name 'sessionId': raise SessionNotResumable for a session with a `native_id`"
            )
            return
        resume = self.host.resume_session(self.name, self.request(), session)
        expected = Resume(native_id=NativeSessionId(native), fresh=False)
        assert resume == expected, f"`gateway_resume_session` returned {resume}; expected {expected}"
        invocation = self.build(self.request(), resume=resume)
        files = [data.decode("utf-8", "replace") for data in invocation.files.values()]
        passed_on = [*invocation.argv, *invocation.env.values(), *files]
        assert any(native in text for text in passed_on), (
            "`gateway_build_argv` does not pass `Resume.native_id` to the program: put it into argv, `env` or a file"
        )

    def test_lesson_32_the_gateways_session_id_never_reaches_the_program(self) -> None:
        for native in (None, self.native_id()):
            resume = self.try_resume(self.session(native))
            if resume is not None:
                made = self.build(self.request(), resume=resume)
                passed_on = [
                    *map(os.fsencode, [*made.argv, *made.env.values()]),
                    made.stdin or b"",
                    *made.files.values(),
                ]
                assert not any(OUR_ID.encode() in data for data in passed_on), (
                    "the program receives `Session.id`, which only the gateway knows: use `Resume.native_id`"
                )

    @pytest.mark.parametrize("word", INVALID_IDS, ids=ascii)
    def test_lesson_75_the_pattern_refuses_invalid_ids(self, word: str) -> None:
        assert not re.fullmatch(self.info.native_id_pattern, word), (
            f"`native_id_pattern` {self.info.native_id_pattern!r} matches {word!r}: make the pattern narrower"
        )

    @bounded
    @given(data=st.data())
    def test_lesson_78_no_accepted_id_is_a_flag(self, data: st.DataObject) -> None:
        if "sessionId" not in self.info.supports:
            return
        native = data.draw(st.from_regex(self.info.native_id_pattern, fullmatch=True))
        assert not native.startswith("-"), (
            f"`native_id_pattern` matches {native!r}, which a program can read as a flag: refuse a leading '-'"
        )
        resume = self.try_resume(self.session(native))
        if resume is not None:
            assert not resume.fresh, (
                f"the session has the `native_id` {native!r}: resume it or raise SessionNotResumable; do not begin a new "
                "conversation"
            )
            self.build(self.request(), resume=resume)
