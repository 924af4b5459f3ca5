"""Executes a run round by round. Every step first checks whether it is already done, so a run can be resumed after a crash."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone

import anyio
from anyio import to_thread

from llm_gateway import Gateway
from llm_gateway.errors import GatewayError, StoreUnavailable
from llm_gateway_extension_review import reviewers, words
from llm_gateway_extension_review.counting import agreement, judged, verdict_of
from llm_gateway_extension_review.evidence import collect
from llm_gateway_extension_review.findings import merge
from llm_gateway_extension_review.folder import Folder
from llm_gateway_extension_review.listed import json_of
from llm_gateway_extension_review.positions import read_position
from llm_gateway_extension_review.reviewers import Question
from llm_gateway_extension_review.scanning import Block, scan
from llm_gateway_extension_review.state import (
    APPROVED,
    ASK,
    CONSENSUS,
    FIX,
    JUDGE,
    LOOK,
    NOT_APPROVED,
    REVIEW,
    UNTIL_APPROVED,
    WITH_CONDITIONS,
    Reviewer,
    Run,
    Turn,
)
from llm_gateway_extension_review.verdicts import read_review

log = logging.getLogger("llm_gateway_extension_review")

CANCEL = "cancel"  #: name of the file that requests the end of a run
CANCELED = "it was canceled"
#: Temporary failures: the provider is saturated, its service is unreachable, or the queue is full.
_PASSING = frozenset(("overloaded", "unreachable", "saturated", "session_busy"))
_AGAIN_AFTER_S = 15.0
_ATTEMPTS = 2
CUT = "evidence_cut: the material was too long; reviewers were told to read the rest themselves"


class Drive:
    """Executes one run in this gateway."""

    def __init__(self, gateway: Gateway, folder: Folder, run: Run, changed: Callable[[Run], None]) -> None:
        self.run = run
        self._gateway = gateway
        self._folder = folder
        self._changed = changed
        self._writing = anyio.Lock()

    async def __call__(self) -> bool:
        """Execute the run; return whether it has ended. False: the store or the disk failed, and it must be tried again."""
        try:
            await self._to_the_end()
        except (StoreUnavailable, OSError) as error:
            log.warning("%s could not continue: %s", self.run.id, error)
            return False
        return True

    async def _to_the_end(self) -> None:
        try:
            if self.run.kind in (REVIEW, UNTIL_APPROVED):
                await self._review()
            else:
                await self._ask()
        except (StoreUnavailable, OSError):
            raise
        except GatewayError as error:
            await self._end("failed", problem=error.message)
        except Exception as error:  # a failing run must not stop the gateway
            log.exception("%s failed", self.run.id)
            await self._end("failed", problem=f"{type(error).__name__}: {error}")

    # ----------------------------------------------------------------------------------------------------------- reviews

    async def _review(self) -> None:
        looping = self.run.kind == UNTIL_APPROVED
        for number in range(1, self.run.max_rounds + 1):
            await self._review_round(number)
            turns = self.run.of_round(number)
            verdict = verdict_of(turns, self.run.quorum)
            if looping and any(turn.status == "canceled" for turn in turns):
                return await self._end("canceled", verdict, "one of its jobs was canceled")
            if not looping or verdict == APPROVED:
                return await self._end("completed", verdict)
            if number == self.run.max_rounds:
                return await self._end("completed" if verdict == WITH_CONDITIONS else "escalate", verdict)
            if any(turn.findings or turn.verdict == NOT_APPROVED for turn in turns):
                fix = await self._fix(number)
                if fix.status != "completed":
                    status = "canceled" if fix.status == "canceled" else "escalate"
                    return await self._end(status, verdict, f"the implementer's turn did not end well: {fix.problem}")
        return None

    async def _review_round(self, number: int) -> None:
        """Let every reviewer review, and read the answers."""
        turns = [self.run.turn(number, LOOK, reviewer.name) for reviewer in self.run.reviewers]
        if all(turn is not None and turn.ended for turn in turns):
            return
        fixed = any(turn.status == "completed" for turn in self.run.of_round(number - 1, FIX))
        evidence, cut = await self._evidence(number)
        asked: list[tuple[Reviewer, Question]] = []
        carried = []
        for reviewer in self.run.reviewers:
            before = self.run.turn(number - 1, LOOK, reviewer.name)
            if before and before.verdict and not fixed:
                carried.append(replace(before, round=number, carried=True, cost_usd=None, usage={}, duration_ms=None))
                continue
            merged = merge(self.run.of_round(number - 1)) if fixed else []
            task = words.review_task(self.run, number if fixed else 1, evidence, cut=cut, before=merged)
            session = before.session_id if before else None
            asked.append(
                (
                    reviewer,
                    Question(
                        rules=words.REVIEW_RULES,
                        task=task,
                        anew=task,
                        session_id=session,
                        posture=self.run.posture,
                        instructions=False,  # the change under review may have edited them
                    ),
                )
            )
        await self._turns(number, LOOK, asked, carried)

    async def _evidence(self, number: int) -> tuple[str, bool]:
        """Return the material of a round. It is the same for all reviewers, also after a crash."""
        run, name = self.run, f"evidence-{number}.txt"
        assert run.scope
        text = await to_thread.run_sync(self._folder.read, run.id, name)
        if text is None:
            given = await to_thread.run_sync(self._folder.read, run.id, "text.txt") or ""
            fixed = any(turn.status == "completed" for turn in run.turns if turn.role == FIX)
            found = await to_thread.run_sync(
                lambda: collect(run.working_dir, run.scope, given, again=fixed) if run.scope else None
            )
            assert found
            text = found.text
            notes = ((CUT,) if found.cut else ()) + found.notes
            self.run = replace(run, notes=tuple(dict.fromkeys((*run.notes, *notes))))
            await to_thread.run_sync(self._folder.write, run.id, name, text)
        return text, CUT in self.run.notes

    async def _fix(self, number: int) -> Turn:
        """Let the implementer work on the findings, in one conversation over all rounds."""
        run = self.run
        assert run.implementer
        looked = run.of_round(number)
        plain = [turn for turn in looked if turn.verdict == NOT_APPROVED and not turn.findings]
        doubts = [(turn.reviewer, (await self._answer_text(turn))[-20_000:]) for turn in plain]
        task = words.fix_task(run, number, merge(looked), doubts)
        earlier = [turn for turn in run.turns if turn.role == FIX and turn.round < number and turn.session_id]
        question = Question(
            rules=words.FIX_RULES,
            task=task,
            anew=task,
            session_id=earlier[-1].session_id if earlier else None,
            posture=run.fix_posture,
            servers=True,
        )
        await self._turns(number, FIX, [(run.implementer, question)])
        found = self.run.turn(number, FIX, run.implementer.name)
        assert found
        return found

    # --------------------------------------------------------------------------------------------------------- questions

    async def _ask(self) -> None:
        run = self.run
        asked = await to_thread.run_sync(self._folder.read, run.id, "text.txt") or ""
        rules = words.answer_rules(run.choices) if run.kind == CONSENSUS and not run.judge else ""
        question = Question(rules=rules, task=asked, posture=run.posture, servers=True)
        reusable = replace(question, reuse=run.kind != CONSENSUS)
        # If an agent is asked twice, it must answer twice: a reusable request would join the run of the first one.
        times = Counter((reviewer.provider, reviewer.model) for reviewer in run.reviewers)
        asked_once = [times[reviewer.provider, reviewer.model] == 1 for reviewer in run.reviewers]
        questions = [reusable if once else question for once in asked_once]
        await self._turns(1, ASK, list(zip(run.reviewers, questions, strict=True)))
        if run.kind == CONSENSUS:
            consensus = await self._judge(asked) if run.judge else agreement(self.run)
            self.run = replace(self.run, consensus=consensus)
        await self._end("completed")

    async def _judge(self, asked: str) -> dict[str, object]:
        run = self.run
        assert run.judge
        answered = [turn for turn in run.of_round(1, ASK) if turn.status == "completed"]
        nothing: dict[str, object] = {"reached": False, "position": None, "agreeing": [], "dissent": []}
        if not answered:
            return {**nothing, "problem": "no agent has answered"}
        answers = [await self._answer_text(turn) for turn in answered]
        task = words.judge_task(run, asked, answers)
        question = Question(rules=words.JUDGE_RULES, task=task, posture="read_only")
        await self._turns(2, JUDGE, [(run.judge, question)])
        turn = self.run.turn(2, JUDGE, run.judge.name)
        text = await self._answer_text(turn) if turn else ""
        parts = [part for part in scan(text, run.mark) if isinstance(part, Block) and not part.evidence]
        blocks = [part for part in parts if part.kind.startswith("json") or not part.kind]
        # Only the last block is used: the judge may have changed its judgement.
        last = json_of(blocks[-1]) if blocks else None
        judgement = judged(self.run, last) if isinstance(last, dict) else None
        why = turn.problem if turn and turn.problem else "the judge's answer is not in the requested form"
        return judgement or {**nothing, "problem": why}

    # ------------------------------------------------------------------------------------------------------------- turns

    async def _turns(
        self, number: int, role: str, asked: list[tuple[Reviewer, Question]], carried: list[Turn] | None = None
    ) -> None:
        """Execute the unfinished turns of these reviewers concurrently."""
        known = {reviewer.name: self.run.turn(number, role, reviewer.name) for reviewer, _ in asked}
        begun = [
            Turn(
                round=number,
                role=role,
                reviewer=reviewer.name,
                correlation_id=f"{self.run.id}:{number}:{role}:{reviewer.name}",
            )
            for reviewer, _ in asked
            if known[reviewer.name] is None
        ]
        await self._keep(*begun, *(carried or ()))
        errors: list[Exception] = []

        async def execute(reviewer: Reviewer, question: Question) -> None:
            try:
                await self._turn(number, role, reviewer, question, known[reviewer.name] is not None)
            except Exception as error:  # the other turns continue
                errors.append(error)

        async with anyio.create_task_group() as tasks:
            for reviewer, question in asked:
                tasks.start_soon(execute, reviewer, question)
        if errors:
            raise errors[0]

    async def _turn(self, number: int, role: str, reviewer: Reviewer, question: Question, begun_before: bool) -> None:
        turn = self.run.turn(number, role, reviewer.name)
        assert turn
        if turn.ended:
            return
        turn, text = await self._attempt(reviewer, turn, question, begun_before)
        while self._is_retryable(turn, question):
            again = f"{turn.correlation_id}:{turn.attempt + 1}"
            turn = replace(turn, status="starting", job_id=None, attempt=turn.attempt + 1, correlation_id=again)
            turn = replace(turn, error_code=None, problem=None)
            await self._keep(turn)  # before the job starts, so that another gateway can find the job after a crash
            await anyio.sleep(_AGAIN_AFTER_S)
            turn, text = await self._attempt(reviewer, turn, question, begun_before=False)
        if text:
            await to_thread.run_sync(self._folder.write, self.run.id, answer_name(turn), text)
        await self._keep(await to_thread.run_sync(self._read, turn, text))

    async def _attempt(
        self, reviewer: Reviewer, turn: Turn, question: Question, begun_before: bool
    ) -> tuple[Turn, str]:
        """Execute the job of a turn: the existing one, or a new one."""
        if turn.job_id is None and begun_before:
            lost = await reviewers.find_lost(self._gateway, self.run, reviewer, turn)
            turn = replace(turn, job_id=lost, status="running") if lost else turn
        if turn.job_id is None:
            if await self._canceled():
                return replace(turn, status="canceled", problem=CANCELED), ""
            turn = await reviewers.start(self._gateway, self.run, reviewer, turn, question)
            if turn.ended:
                return turn, ""
            await self._keep(turn)
        if await self._canceled():  # the cancel may have missed this job
            await reviewers.cancel(self._gateway, turn)
        return await reviewers.finish(self._gateway, turn)

    @staticmethod
    def _is_retryable(turn: Turn, question: Question) -> bool:
        """Return whether to retry. Only reading turns are retried, because a writing turn may have made a part of its changes."""
        reads = question.posture in ("read_only", "plan")
        return reads and turn.status == "failed" and turn.error_code in _PASSING and turn.attempt < _ATTEMPTS

    async def _canceled(self) -> bool:
        return await to_thread.run_sync(self._folder.read, self.run.id, CANCEL) is not None

    def _read(self, turn: Turn, text: str) -> Turn:
        """Return the turn with the values in its answer."""
        if turn.status != "completed":
            return turn
        if turn.role == LOOK:
            judgement = read_review(text, self.run.mark)
            return replace(turn, verdict=judgement.verdict, findings=judgement.findings, problem=judgement.problem)
        if not text.strip():
            return replace(turn, status="failed", error_code="empty_output", problem="the answer is empty")
        if turn.role == ASK and self.run.kind == CONSENSUS and not self.run.judge:
            return self._position(turn, text)
        return turn

    def _position(self, turn: Turn, text: str) -> Turn:
        position, problem = read_position(text, self.run.mark, self.run.choices)
        return replace(turn, position=position, problem=problem)

    async def _answer_text(self, turn: Turn) -> str:
        return await to_thread.run_sync(self._folder.read, self.run.id, answer_name(turn)) or ""

    async def _keep(self, *turns: Turn) -> None:
        if turns:
            async with self._writing:
                run = self.run = self.run.with_turns(*turns)
                await to_thread.run_sync(self._folder.save, run)
            self._changed(run)

    async def _end(self, status: str, verdict: str | None = None, problem: str | None = None) -> None:
        now = datetime.now(timezone.utc)
        if await self._canceled():
            status, problem = "canceled", CANCELED
        async with self._writing:
            run = self.run = replace(self.run, status=status, verdict=verdict, problem=problem, ended_at=now)
            await to_thread.run_sync(self._folder.save, run)
        self._changed(run)


def answer_name(turn: Turn) -> str:
    """Return the name of the file with the answer of a turn."""
    return f"answer-{turn.round}-{turn.role}-{turn.reviewer}.md"
