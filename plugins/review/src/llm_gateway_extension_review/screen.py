"""Show a review on stderr: on a terminal the current action of each reviewer, in a log one line for each ended turn."""

from __future__ import annotations

import re
import sys
import textwrap
from collections import Counter
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from llm_gateway import Gateway, JobId, display, one_line, without_controls
from llm_gateway_extension_review.findings import BLOCKING, SEVERITIES, merge, place
from llm_gateway_extension_review.state import APPROVED, FIX, NOT_APPROVED, QUEUED, WITH_CONDITIONS, Run, Turn
from llm_gateway_extension_review.words import scope_words

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

_SPINNER, _PLAIN_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\"
#: verdict -> sign, sign for a terminal that shows only ASCII, words, style
_SAID = {
    APPROVED: ("✓", "+", "approved", "green"),
    WITH_CONDITIONS: ("✓", "+", "conditions", "yellow"),
    NOT_APPROVED: ("✗", "x", "not approved", "red"),
}
_WORDS_WIDTH = 12
_STYLES = (
    (r"^(Approved\.|Consensus\b)|\bAPPROVED\b", "green"),
    (r"^Approved with conditions\.|\bAPPROVED_WITH_CONDITIONS\b|\[medium\]|^note:", "yellow"),
    (r"^(Not approved|Failed|No verdict|No consensus)\b|\bNOT_APPROVED\b|\[(critical|high)\]", "red"),
    (r"(?<=\] )\S+:\d+(?=: )", "bold"),
)


class Screen:
    """The progress of one review on stderr."""

    def __init__(self) -> None:
        from rich.console import Console

        is_terminal = sys.stderr.isatty()  # rich's own check is not enough: with FORCE_COLOR a log counts as a terminal
        self.console = Console(file=display(sys.stderr), highlight=False, soft_wrap=not is_terminal)
        self.moves = is_terminal and not self.console.is_dumb_terminal
        self._ascii = not (self.console.encoding or "").lower().startswith("utf")
        self._doing: dict[str, str] = {}
        self._since: dict[str, datetime] = {}
        self._printed: set[tuple[int, str, str]] = set()
        self._rounds_with_findings: set[int] = set()
        self._round = 0
        self._tick = 0

    async def heard(self, message: str) -> None:
        """Receive a progress message about a reviewer."""
        reviewer, _, words = message.partition(": ")
        self._doing[reviewer] = "" if words.startswith("begins (") else one_line(words)

    def open(self, run: Run) -> None:
        """Print the reviewers and the scope of the review."""
        who = ", ".join(reviewer.name for reviewer in run.reviewers) or "nobody"
        mends = f"; {run.implementer.provider} mends" if run.implementer else ""
        one = len(run.reviewers) == 1
        what = f"look{'s' * one} at {scope_words(run.scope)}" if run.scope else f"{'is' if one else 'are'} asked"
        self._print(f"{who} {what}{mends} ({run.id})")

    async def live(self, gateway: Gateway, run: Run, live: Live | None) -> None:
        """Print the turns that have ended, and show the running ones."""
        self.news(run)
        if live is None:
            return
        for turn in run.turns:
            if turn.status == "running" and turn.job_id and turn.job_id not in self._since:
                job = await gateway.store.get_job(JobId(turn.job_id))
                if job is not None:
                    self._since[turn.job_id] = job.created_at
        self._tick += 1
        live.update(self._going(run), refresh=True)

    def news(self, run: Run) -> None:
        """Print the turns that have ended since the last call."""
        for turn in run.turns:
            if run.max_rounds > 1 and turn.round > self._round:
                self._round = turn.round
                self._print(f"Round {turn.round} of {run.max_rounds}", style="bold")
            if turn.role == FIX:
                self._findings(run, turn.round)
            key = (turn.round, turn.role, turn.reviewer)
            if not turn.ended or key in self._printed:
                continue
            self._printed.add(key)
            sign, words, style = self._said(turn)
            took = _clock(turn.duration_ms / 1000) if turn.duration_ms and not turn.carried else ""
            self._print(self._line(run, turn, (sign, words, style), took, _detail(turn)))

    def close(self, run: Run) -> None:
        """Print the last turns, and an empty line before the report."""
        self.news(run)
        if self.moves:
            self._print("")

    def _findings(self, run: Run, number: int) -> None:
        """Print the findings that the implementer must fix, once for each round."""
        from rich.text import Text

        if number in self._rounds_with_findings:
            return
        self._rounds_with_findings.add(number)
        for merged in merge(run.of_round(number)):
            severity = merged.finding.severity
            where = f"{one_line(place(merged.finding))}: " if merged.finding.file else ""
            words = f"{where}{one_line(merged.finding.title)} ({', '.join(merged.reviewers)})"
            style = "red" if severity in BLOCKING else "yellow"
            self._print(self._fitted(Text.assemble((f"    {severity:<8}  ", style), words)))

    def _fitted(self, line: Text) -> Text:
        if self.moves:
            line.truncate(self.console.width, overflow="ellipsis")
        return line

    def _going(self, run: Run) -> Text:
        from rich.text import Text

        spinner = _PLAIN_SPINNER if self._ascii else _SPINNER
        now, lines = datetime.now(timezone.utc), []
        for turn in run.turns:
            if turn.ended:
                continue
            begun = self._since.get(turn.job_id or "")
            doing = self._doing.get(turn.reviewer, "")
            waits = begun is None or doing == QUEUED
            said = (spinner[self._tick % len(spinner)], "waiting" if waits else "working", "cyan")
            took = _clock((now - begun).total_seconds()) if begun else ""
            lines.append(self._line(run, turn, said, took, doing))
        height = max(1, self.console.height - 2)
        return Text("\n").join(lines[-height:])

    def _line(self, run: Run, turn: Turn, said: tuple[str, str, str], took: str, detail: str) -> Text:
        from rich.text import Text

        sign, words, style = said
        width = max(
            len(_name(run, reviewer.name)) for reviewer in (*run.reviewers, *filter(None, (run.implementer, run.judge)))
        )
        line = Text.assemble(
            (f"{sign} ", style),
            f"{_name(run, turn.reviewer):<{width}}  ",
            (f"{words:<{_WORDS_WIDTH}}", style),
            (f"{took:>7}", "dim"),
            f"  {detail}",
        )
        line.rstrip()
        return self._fitted(line)

    def _said(self, turn: Turn) -> tuple[str, str, str]:
        """Return sign, words and style of a turn that has ended."""
        if turn.status != "completed":
            return "x" if self._ascii else "✗", turn.status, "yellow" if turn.status == "canceled" else "red"
        if turn.verdict:
            sign, plain, words, style = _SAID[turn.verdict]
            return plain if self._ascii else sign, words, style
        counts = turn.role != "review"
        words = "mended" if turn.role == FIX else "answered" if counts else "no verdict"
        return ("+" if self._ascii else "✓") if counts else "?", words, "green" if counts else "yellow"

    def _print(self, words: str | Text, style: str | None = None) -> None:
        words = without_controls(words) if isinstance(words, str) else words
        self.console.print(words, style=style, markup=False, overflow="ignore", no_wrap=not self.moves)


def show(report: str, console: Console) -> None:
    """Print a report for a person: wrapped at the width of the terminal, with colours. Texts of agents stay unchanged."""
    from rich.text import Text

    quoting = False
    for line in report.splitlines():
        quoting = quoting or line.startswith("--- ")
        hang = len(line) - len(line.lstrip()) + len((re.match(r"\d+\. ", line) or [""])[0])
        pieces = [line] if quoting else textwrap.wrap(line, max(40, console.width), subsequent_indent=" " * hang)
        for piece in pieces or [""]:
            text = Text(piece)
            for pattern, style in () if quoting else _STYLES:
                text.highlight_regex(pattern, style)
            console.print(text, soft_wrap=True)


def _name(run: Run, reviewer: str) -> str:
    return run.implementer.provider if run.implementer and reviewer == run.implementer.name else reviewer


def _detail(turn: Turn) -> str:
    if turn.problem:
        return one_line(turn.problem)
    if turn.carried:
        return "nothing has changed since"
    many = Counter(finding.severity for finding in turn.findings)
    return ", ".join(f"{many[severity]} {severity}" for severity in SEVERITIES if many[severity])


def _clock(seconds: float) -> str:
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
