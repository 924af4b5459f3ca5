"""How a store keeps sessions, records and verdicts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from llm_gateway import JobState, NativeSessionId, SessionId, Store
from llm_gateway.errors import SessionBusy, SessionNotFound
from llm_gateway_testing.contract.store_samples import (
    ONE,
    TWO,
    a_job,
    a_record,
    a_session,
    a_verdict,
    admit_job,
    at,
    finish,
)

ODD_FOLDER = "/odd/\udcff folder"


class SessionContract:
    """Sessions, active sessions, records, verdicts and health."""

    async def test_a_session_is_returned_as_it_was_stored(self, store: Store) -> None:
        session = a_session(native_id=NativeSessionId("n"), turns=3, working_dir=ODD_FOLDER)
        await store.put_session(session)
        assert await store.get_session(session.id) == session
        changed = replace(session, description="new", settings={}, last_used_at=at(5), native_id=None)
        await store.put_session(changed)
        assert await store.get_session(session.id) == changed
        assert await store.get_session(SessionId("gw-unknown")) is None

    async def test_lesson_28_a_native_id_is_found_only_for_its_principal_and_provider(self, store: Store) -> None:
        native = NativeSessionId("n")
        mine, theirs = a_session(native_id=native), a_session("two", native_id=native, principal="bob")
        await store.put_session(mine)
        await store.put_session(theirs)
        assert await store.find_session("echo", native, "ada") == mine
        assert await store.find_session("echo", native, "bob") == theirs
        assert await store.find_session("echo", native, "eve") is None
        assert await store.find_session("echo", native, None) == mine
        assert await store.find_session("echo", NativeSessionId("unknown"), None) is None
        assert await store.find_session("other", native, "ada") is None

    async def test_a_native_id_of_another_session_is_refused(self, store: Store) -> None:
        await store.put_session(a_session(native_id=NativeSessionId("n")))
        with pytest.raises(SessionBusy):
            await store.put_session(a_session("two", native_id=NativeSessionId("n")))
        assert await store.get_session(TWO) is None

    async def test_sessions_are_listed_last_used_first_and_filtered(self, store: Store) -> None:
        await store.put_session(a_session("old"))
        await store.put_session(a_session("new", last_used_at=at(5), working_dir=ODD_FOLDER))
        await store.put_session(a_session("other", last_used_at=at(3), provider="other"))
        await store.put_session(a_session("bobs", principal="bob"))

        async def listed(**filters: Any) -> list[str]:
            return [session.id for session in await store.list_sessions(**{"principal": "ada", **filters})]

        assert await listed() == ["gw-new", "gw-other", "gw-old"]
        assert await listed(limit=1) == ["gw-new"]
        assert await listed(provider="echo") == ["gw-new", "gw-old"]
        assert await listed(working_dir=ODD_FOLDER) == ["gw-new"]
        assert await listed(principal="bob") == ["gw-bobs"]

    async def test_a_session_used_again_is_listed_first(self, store: Store) -> None:
        await store.put_session(a_session("new", last_used_at=at(5)))
        job = await admit_job(store, a_job(session_id=ONE), session=a_session())
        await finish(store, job, JobState.FAILED, after_s=9)
        assert [session.id for session in await store.list_sessions(principal="ada")] == ["gw-one", "gw-new"]

    async def test_lesson_28_the_active_session_is_kept_per_provider_folder_and_principal(self, store: Store) -> None:
        await store.put_session(a_session())
        await store.set_active("echo", ODD_FOLDER, "ada", a_session().id)
        assert await store.active_session("echo", ODD_FOLDER, "ada") == a_session()
        assert await store.active_session("echo", "/work", "ada") is None
        assert await store.active_session("other", ODD_FOLDER, "ada") is None
        assert await store.active_session("echo", ODD_FOLDER, "bob") is None

    async def test_the_active_session_changes_and_ends(self, store: Store) -> None:
        for name in ("one", "two"):
            await store.put_session(a_session(name))
            await store.set_active("echo", "/work", "ada", a_session(name).id)
        assert await store.active_session("echo", "/work", "ada") == a_session("two")
        await store.set_active("echo", "/work", "ada", None)
        assert await store.active_session("echo", "/work", "ada") is None

    async def test_a_deleted_session_is_not_active_any_more(self, store: Store) -> None:
        await store.put_session(a_session())
        await store.set_active("echo", "/work", "ada", a_session().id)
        assert await store.delete_session(a_session().id)
        assert not await store.delete_session(a_session().id)
        assert await store.active_session("echo", "/work", "ada") is None
        await store.put_session(a_session())
        assert await store.active_session("echo", "/work", "ada") is None, (
            "a new session with the id of a deleted one is not active"
        )

    async def test_an_unknown_session_cannot_be_made_active(self, store: Store) -> None:
        with pytest.raises(SessionNotFound):
            await store.set_active("echo", "/work", "ada", a_session().id)

    async def test_records_are_listed_newest_first_and_filtered(self, store: Store) -> None:
        records = []
        for number, principal in enumerate(("ada", "bob", "ada")):
            job = await admit_job(store, a_job(session_id=f"gw-{number}", principal=principal))
            records.append(a_record(job, started_at=at(number)))
            over = replace(job, state=JobState.COMPLETED, ended_at=at(9))
            assert await store.finish_job(over, owner=job.owner, record=records[-1])
        assert list(await store.list_records()) == records[::-1]
        assert list(await store.list_records(limit=1)) == [records[2]]
        assert list(await store.list_records(principal="ada")) == [records[2], records[0]]
        assert list(await store.list_records(session_id=SessionId("gw-1"))) == [records[1]]
        assert list(await store.list_records(principal="ada", session_id=SessionId("gw-1"))) == []

    async def test_verdicts_are_listed_newest_first_and_filtered(self, store: Store) -> None:
        verdicts = [
            a_verdict(decided_at=at(number), provider=f"p{number}", job_id=f"job-{number}") for number in (1, 2)
        ]
        for verdict in [*verdicts, a_verdict(principal="bob")]:
            await store.add_verdict(verdict)
        assert list(await store.list_verdicts(principal="ada")) == verdicts[::-1]
        assert list(await store.list_verdicts(principal="ada", provider="p1")) == verdicts[:1]
        assert list(await store.list_verdicts(principal="ada", limit=1)) == verdicts[1:]

    async def test_health_counts_jobs_by_state(self, store: Store) -> None:
        await finish(store, await admit_job(store, a_job()))
        await admit_job(store, a_job())
        health = await store.health()
        assert set(health) == {"url", "schema", "jobs"}
        assert health["jobs"] == {**dict.fromkeys((state.value for state in JobState), 0), "completed": 1, "running": 1}

    async def test_opening_and_closing_twice_does_no_harm(self, store: Store) -> None:
        job = await admit_job(store, a_job())
        await store.aopen()
        await store.aclose()
        await store.aclose()
        await store.aopen()
        assert await store.get_job(job.id) == job
