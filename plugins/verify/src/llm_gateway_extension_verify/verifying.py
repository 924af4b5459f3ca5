"""`llm-gateway verify`: start one process for each program, collect the results, print and store them."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from llm_gateway import (
    Exit,
    PluginHost,
    ProviderInfo,
    UsageError,
    find_plugins,
    find_program,
    keep_verified,
    owned,
    say,
    say_json,
    table,
)
from llm_gateway_extension_verify import own_files, report
from llm_gateway_extension_verify.checks import checks_of, wanted
from llm_gateway_extension_verify.recording import NoSource, record
from llm_gateway_extension_verify.surroundings import INHERITED

#: All checks of one program must end in this time, in seconds.
PROGRAM_S = 1200.0
_END_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Target:
    """A program that is verified."""

    info: ProviderInfo
    path: str
    identity: str
    package: str  #: the import name of the provider's package


def verify(arguments: argparse.Namespace) -> int:
    """Run the command. Returns 0 if nothing differs, 1 if something does, 3 if there was nothing to verify."""
    environ = dict(os.environ)
    host, settings = find_plugins(environ)
    infos = [info for provider in _chosen(host, arguments.providers) for info in provider.programs.values()]
    only = arguments.only or []
    _check_names(infos, only)
    if arguments.list:
        rows = {check.id: check for info in infos for check in checks_of(info)}.values()
        table(("CHECK", "QUICK", "WHAT MUST BE TRUE"), [(one.id, one.quick or None, one.summary) for one in rows])
        return Exit.OK
    targets, absent = [], []
    for info in infos:
        section = settings.provider(info.name)
        override = section.executable if not info.variant or _names(section.executable, info) else None
        found = find_program(info, override, environ)
        if found is None:
            absent.append(info.title)
        elif host.loopback(info.name, service="http://127.0.0.1:1", folder="/", variant=info.variant):
            targets.append(Target(info=info, path=found.path, identity=found.identity, package=_package_of(host, info)))
    run = _Run(targets, arguments, only, settings.home, environ)
    reports = run.all()
    if arguments.json:
        say_json({"programs": reports, "absent": absent})
    else:
        report.show_end(reports, absent)
    if not reports:
        return Exit.UNFINISHED
    return Exit.OK if all(one["ok"] for one in reports) else Exit.FAILED


def _package_of(host: PluginHost, info: ProviderInfo) -> str:
    (record_of_plugin,) = (one for one in host.records if one.key == f"provider:{info.name}")
    point = record_of_plugin.entry_point
    return point.value.partition(":")[0].partition(".")[0] if point else ""


def _names(executable: Path | None, info: ProviderInfo) -> bool:
    return executable is not None and executable.name == info.executable


def _chosen(host: PluginHost, names: Sequence[str]) -> list[ProviderInfo]:
    unknown = [name for name in names if name not in host.providers]
    if unknown:
        raise UsageError(f"there is no provider {unknown[0]}; installed are: {', '.join(host.providers) or 'none'}")
    return [host.providers[name] for name in names or host.providers]


def _check_names(infos: Sequence[ProviderInfo], only: list[str]) -> None:
    every = list({check.id: check for info in infos for check in checks_of(info)}.values())
    try:
        wanted(every, quick=False, only=only)
    except LookupError as error:
        raise UsageError(f"there is no check {error}; `llm-gateway verify --list` shows them") from error


def _last_words(trace: str) -> str:
    """Return the last line of a traceback that says something; a group of exceptions ends with a frame."""
    lines = (line.strip(" |+-") for line in reversed(trace.splitlines()))
    return next(filter(None, lines), "")


def _exit(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


class _Run:
    """One call of the command."""

    def __init__(
        self,
        targets: Sequence[Target],
        arguments: argparse.Namespace,
        only: list[str],
        home: Path,
        environ: Mapping[str, str],
    ) -> None:
        self._targets = targets
        self._arguments = arguments
        self._only = only
        self._home = home
        self._environ = environ
        self._printing = threading.Lock()
        self._children: list[subprocess.Popen[bytes]] = []
        self._starting = threading.Lock()
        self._stopped = False

    def all(self) -> list[dict[str, Any]]:
        """Verify every program, as many at once as there are processors. A signal ends them all and leaves nothing behind."""
        before = signal.signal(signal.SIGTERM, _exit)
        try:
            with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
                futures = [pool.submit(self._verify, target) for target in self._targets]
                try:
                    return [future.result() for future in futures]
                except BaseException:
                    for future in futures:
                        future.cancel()
                    self._stop()
                    raise
        finally:
            signal.signal(signal.SIGTERM, before)

    def _stop(self) -> None:
        """End the processes of all programs. What they have said so far is not a result."""
        with self._starting:
            self._stopped = True
            for child in self._children:
                child.terminate()

    def _verify(self, target: Target) -> dict[str, Any]:
        info = target.info
        before = own_files.stats_of(info, self._environ)
        began = time.monotonic()
        root = Path(tempfile.mkdtemp(prefix="llmgw-"))  # 0700, and short: the path of a socket has 107 bytes
        made: dict[str, Any] = {
            "provider": info.name,
            "variant": info.variant,
            "title": info.title,
            "path": target.path,
        }
        made |= {"checks": {}, "wall": None, "version": None, "refused": [], "problem": None}
        try:
            self._read(target, root, made)
        finally:
            if self._arguments.keep:
                made["folder"] = str(root)
            else:
                shutil.rmtree(root, ignore_errors=True)
        if self._stopped:
            return made
        made["changed"] = own_files.changed(before, own_files.stats_of(info, self._environ))
        made["seconds"] = round(time.monotonic() - began, 1)
        statuses = {check["status"] for check in made["checks"].values()}
        made["ok"] = not made["problem"] and statuses <= {"ok", "skipped"}
        self._store(target, made)
        self._record(target, made)
        if not self._arguments.json:
            with self._printing:
                report.show_program(info.title, made)
        return made

    def _read(self, target: Target, root: Path, made: dict[str, Any]) -> None:
        """Start the process of one program and read what it says."""
        order = {
            "provider": target.info.name,
            "variant": target.info.variant,
            "path": target.path,
            "root": str(root),
            "quick": self._arguments.quick,
            "only": self._only,
            "record": bool(self._arguments.record),
        }
        environ = {name: self._environ[name] for name in INHERITED if name in self._environ}
        environ |= {"HOME": str(root), "TMPDIR": str(root)}
        with tempfile.TemporaryFile() as errors, owned(environ) as owned_environ:
            with self._starting:
                child = subprocess.Popen(
                    [sys.executable, "-m", "llm_gateway_extension_verify.child"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=owned_environ,
                    cwd=root,
                    start_new_session=True,
                )
                self._children.append(child)
                if self._stopped:
                    child.terminate()
            overdue = threading.Timer(PROGRAM_S, child.terminate)
            overdue.start()
            try:
                assert child.stdin
                assert child.stdout
                child.stdin.write(json.dumps(order).encode() + b"\n")
                child.stdin.close()
                ended = False
                for line in child.stdout:
                    ended = self._note(json.loads(line), made) or ended
                child.wait(_END_S)
            finally:
                overdue.cancel()
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()
            if not ended and not made["problem"]:
                errors.seek(0)
                said = _last_words(errors.read().decode("utf-8", "replace"))
                made["problem"] = f"its process ended early: {said or f'exit code {child.returncode}'}"

    def _note(self, fact: dict[str, Any], made: dict[str, Any]) -> bool:
        """Add a fact to a report. Returns whether it is the last one."""
        if "check" in fact:
            made["checks"][fact["check"]] = {name: value for name, value in fact.items() if name != "check"}
            if not self._arguments.json:
                with self._printing:
                    report.show_check(made["title"], fact)
        elif fact.get("end"):
            made |= {name: fact[name] for name in ("version", "refused", "gateway")}
            return True
        else:
            made |= fact
        return False

    def _record(self, target: Target, made: dict[str, Any]) -> None:
        """Write into the checkout, if that was asked."""
        shape, sample = made.pop("shape", None), made.pop("sample", "")
        if not self._arguments.record or shape is None or not made["version"]:
            return
        seen = {**made, "shape": shape, "sample": sample}
        try:
            files = record(Path(self._arguments.record), target.package, seen)
        except (NoSource, OSError) as error:
            made["problem"], made["ok"] = str(error), False
            return
        made["recorded"] = [str(path) for path in files]

    def _store(self, target: Target, made: dict[str, Any]) -> None:
        if made["problem"] or not made["version"]:
            return
        entry = {
            "identity": target.identity,
            "version": made["version"],
            "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "gateway": made["gateway"],
            "wall": made["wall"],
            "checks": made["checks"],
        }
        try:
            keep_verified(self._home, target.info.name, target.info.variant, entry)
        except OSError as error:
            say(f"the results could not be stored: {error}", sys.stderr)
