"""One run, in a process of its own. Standard library and `llm_gateway.files` and `.leases` only (with `portable`: psutil).

Why a run is never started twice, lost, or left behind:
- The shim holds the job's lock from before it starts anything until it ends, in whatever way. A second shim finds the lock held, or
  finds `state.json`, and exits. `state.json` is on the disk before the agent's program starts, so an agent that may have run is never
  started again, not even after a loss of power.
- The shim checks for `cancel` after it wrote `state.json`, and after every SIGTERM. The process that cancels writes `cancel` first and then
  reads `state.json` to find the shim to signal. So either the shim finds `cancel`, or the signal reaches the shim, whose handler is
  installed before it takes the lock.
- The agent starts in a session of its own, its output goes to files, and the shim is the subreaper of all its descendants: when
  `waitpid` reports no more children, no process is left to write. Only then the output is measured and `exit.json` written.
- Between fork and exec the agent waits until its identity is in `state.json`, and exits if its shim does not release it. It asks to
  be killed with its shim (Linux). So a shim that is killed leaves no agent running. A process that finds the lock free and no `exit.json`
  kills what else the run started.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import time
from contextlib import suppress

from llm_gateway_engine_local.peers.notifier import notify
from llm_gateway_engine_local.process import system
from llm_gateway_engine_local.process.identity import Identity, identify
from llm_gateway_engine_local.spool.conclusion import RUN_FILES, timestamp, write_exit
from llm_gateway_engine_local.spool.folder import CANCEL, EXIT, FILES, STATE, STDIN, Folder
from llm_gateway_engine_local.spool.output import Output

from . import ending
from .agent import become_agent
from .resources import Resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_GENTLE_S = 0.5
_LOCK_S = 1.0


def run_shim(message: dict[str, Any], status_fd: int) -> None:
    """Carry out the run of a message until its `exit.json` is written. Returns at once if the run was started already.

    :param status_fd: a byte written here tells the gateway that this shim started the run, so that no other shim is started, whatever
        happens to the folder. End of file: there is an `exit.json`, or no shim any more.
    """
    signals = _Signals()
    system.take_name()
    folder = Folder(str(message["folder"]))
    if not _take_lock(folder):
        return
    # What is run comes from the gateway alone: `spec.json` is for readers, and the agent can write to it.
    _Shim(folder, signals, status_fd).run(message["spec"], message.get("env", {}), message.get("files", {}))
    if status_fd >= 0:  # before the notifications: the gateway that waits for this run comes first
        os.close(status_fd)
    notify(os.path.dirname(os.path.dirname(folder.path)), os.path.basename(folder.path).encode())


def _take_lock(folder: Folder) -> bool:
    """Take the lock until this process ends. False: the run was started already."""
    deadline = time.monotonic() + _LOCK_S
    while not (folder.has(STATE) or folder.has(EXIT)):
        if folder.lock() is not None:
            return not (folder.has(STATE) or folder.has(EXIT))
        if time.monotonic() > deadline:
            break
        time.sleep(0.005)  # another shim is starting, or a gateway checks the lock
    return False


class _Signals:
    """Sleep until a time, the end of a child or a SIGTERM."""

    def __init__(self) -> None:
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self.terminated = True  #: a SIGTERM came: check whether the run was canceled

    def sleep(self, until: float) -> None:
        """Sleep. Returns at once for a signal that came before."""
        if select.select([self._reader], [], [], max(until - time.monotonic(), 0))[0]:
            self.terminated = signal.SIGTERM in os.read(self._reader, 4096) or self.terminated


class _Shim:
    def __init__(self, folder: Folder, signals: _Signals, status_fd: int) -> None:
        self.folder, self.signals, self.status_fd = folder, signals, status_fd
        self.spec: dict[str, Any] = {}
        self.agent = 0  #: its process id; 0: it was not started
        self.status: int | None = None  #: the agent's wait status, once it is reaped
        self.reaper = self.childless = False
        self.killed = 0
        self.details: list[str] = []
        self.started_at, self._started = timestamp(), time.monotonic()
        self.output: Output | None = None
        self.resources = Resources("", {})

    def run(self, spec: dict[str, Any], env: dict[str, str], files: dict[str, bytes]) -> None:
        """Start the agent, supervise and end it, and write `exit.json`."""
        self.spec = spec
        try:
            reason = self._run(spec, env, files)
        except Exception as error:  # an unexpected failure must not leave the agent without a shim
            self._end_descendants(gentle=False)
            self.details.append(f"The shim failed: {error!r}.")
            reason = "vanished" if self.agent else "spawn_failed"
        self._conclude(reason)

    def _run(self, spec: dict[str, Any], env: dict[str, str], files: dict[str, bytes]) -> str:
        self.reaper = system.become_reaper()
        try:
            self.output = Output(self.folder, spec["limits"]["output_bytes"])
            self.resources = Resources(os.path.basename(self.folder.path), spec["limits"])
            if files or any(RUN_FILES in word for word in (*spec["argv"], *env.values(), *spec["artifacts"])):
                self.folder.make_files(files)
            reason = self._spawn(spec, env)
        except OSError as error:
            self.details.append(f"{error.strerror}: {error.filename}" if error.filename else str(error))
            return "spawn_failed"
        if not reason:
            reason = self._supervise(self.output, spec["limits"])
        if reason != "exited" and self.agent:
            self._end(spec["end_steps"])
        self._end_descendants(gentle=self.status is not None)
        if reason == "exited" and self.resources.killed_for_memory():
            return "resource_limit"
        return reason

    def _spawn(self, spec: dict[str, Any], env: dict[str, str]) -> str:
        """Start the agent. Returns the reason if it never became its program (`canceled` or `timeout`), else an empty string."""
        run_files = os.path.join(self.folder.path, FILES)
        argv = [word.replace(RUN_FILES, run_files) for word in spec["argv"]]
        if not os.path.isabs(argv[0]):  # a relative path could name a program in the working directory
            raise FileNotFoundError(errno.ENOENT, "No absolute path to the program", argv[0])
        env = {name: value.replace(RUN_FILES, run_files) for name, value in env.items()}
        env[ending.MARKER] = os.path.basename(self.folder.path)
        assert self.output
        stdin = self.folder.open(STDIN, os.O_RDONLY) if spec["stdin"] else os.open(os.devnull, os.O_RDONLY)
        streams = (stdin, self.output.stdout.fd, self.output.stderr.fd)
        error_reader, error_writer = os.pipe()
        gate_reader, gate_writer = os.pipe()
        self.agent = os.fork()
        if self.agent == 0:
            os.close(gate_writer)
            self._exec(argv, env, streams, gate_reader, error_writer)
        for fd in (error_writer, stdin, gate_reader):
            os.close(fd)
        if not self._release_agent(gate_writer):
            os.close(error_reader)
            return "canceled"
        return self._await_exec(error_reader, time.monotonic() + spec["limits"]["timeout_s"])

    def _exec(
        self, argv: list[str], env: dict[str, str], streams: tuple[int, int, int], gate: int, report: int
    ) -> None:
        """In the forked child: become the agent, or write why not to `report` (errno, space, path) and exit."""
        cwd = self.spec["cwd"]
        try:
            self.resources.enter()
            become_agent(argv, env, cwd, streams, gate)
        except OSError as error:
            path = cwd if error.filename == cwd else argv[0]
            os.write(report, f"{error.errno} {path}".encode(errors="surrogateescape"))
        except BaseException as error:  # such as a NUL byte; nothing may return from here
            os.write(report, f"{errno.EINVAL} {error}".encode(errors="replace"))
        os._exit(127)

    def _await_exec(self, error_reader: int, deadline: float) -> str:
        """Wait until the agent is its program. Raises OSError if the program cannot be executed."""
        while not select.select([error_reader], [], [], _GENTLE_S)[0]:
            canceled = self.folder.has(CANCEL)
            if canceled or time.monotonic() >= deadline:
                os.close(error_reader)
                return "canceled" if canceled else "timeout"
        with os.fdopen(error_reader, "rb") as pipe:
            number, _, path = pipe.read().decode(errors="replace").partition(" ")  # exec closes the other end
        if number:
            self._discard_agent()
            raise OSError(int(number), os.strerror(int(number)), path)
        return ""

    def _release_agent(self, gate: int) -> bool:
        """Write `state.json` and let the agent execute its program. False: the run was canceled, and there is no agent any more."""
        try:
            boot = system.boot_id()
            state: dict[str, Any] = {"started_at": self.started_at}
            for name, pid in (("shim", os.getpid()), ("agent", self.agent)):
                found = identify(pid, boot)
                state[name] = found.to_dict() if found else None
            if self.resources.group:
                state["cgroup"] = self.resources.group.path
            self.folder.write_json(STATE, state, durable=True)
            self._report_started()
            if self.folder.has(CANCEL):
                self._discard_agent()
                return False
            with suppress(BrokenPipeError):  # it was killed while it waited: reported as the end of any agent
                os.write(gate, b"!")
        except OSError:
            self._discard_agent()
            raise
        finally:
            os.close(gate)
        return True

    def _report_started(self) -> None:
        with suppress(OSError):  # the gateway is gone
            os.write(self.status_fd, b"!")

    def _discard_agent(self) -> None:
        """End an agent that has not executed its program. The run counts as never started."""
        os.kill(self.agent, signal.SIGKILL)
        os.waitpid(self.agent, 0)
        self.agent = 0

    def _supervise(self, output: Output, limits: dict[str, Any]) -> str:
        """Wait for the agent's end, or for a reason to end it. Returns the reason."""
        deadline = time.monotonic() + limits["timeout_s"]
        idle_s = limits["idle_timeout_s"] or float("inf")
        while True:
            self._reap()
            if self.status is not None:
                return "exited"
            now = time.monotonic()
            is_due = now >= min(output.next_measure, output.grown_at + idle_s)
            if self.signals.terminated or is_due:  # `cancel` also works without a signal, only later
                self.signals.terminated = False
                if self.folder.has(CANCEL):
                    return "canceled"
            if is_due:
                output.measure()
            if not output.fits:
                return "output_overflow"
            if self.resources.exceeded():
                return "resource_limit"
            if now >= deadline:
                return "timeout"
            if now >= output.grown_at + idle_s:
                return "idle_timeout"
            self.signals.sleep(
                min(deadline, output.next_measure, output.grown_at + idle_s, self.resources.next_measure)
            )

    def _end(self, steps: list[tuple[int, float]]) -> None:
        """Send the agent's group each signal and wait its grace, until the group is empty."""
        for number, grace_s in steps:
            ending.signal_group(self.agent, number)
            if self._wait_until(self._is_group_gone, grace_s):
                return

    def _end_descendants(self, *, gentle: bool) -> None:
        """End every descendant that is left, until there are no more children.

        :param gentle: send SIGTERM first, and wait `_GENTLE_S` seconds before SIGKILL.
        """
        if self._is_all_gone():
            return
        seen: set[int] = set()
        if gentle:
            seen |= self._signal_all(signal.SIGTERM)
            if self._wait_until(self._is_all_gone, _GENTLE_S):
                self.killed = len(seen)
                return
        deadline, pause = time.monotonic() + ending.KILL_S, 0.005
        while not self._is_all_gone():
            if time.monotonic() > deadline:
                self.details.append("Some of its processes could not be ended.")
                break
            seen |= self._signal_all(signal.SIGKILL)
            self._wait_until(self._is_all_gone, pause)
            pause = min(pause * 2, 0.2)
        self.killed = len(seen)

    def _signal_all(self, number: int) -> set[int]:
        """Signal every process of the run. Returns the ids of those found, without the agent's."""
        found = self._members()
        if number == signal.SIGKILL:
            self.resources.kill()
        if self.status is None or not self.reaper:
            ending.signal_group(self.agent, number)
        for process in found:
            process.signal(number)
        return {process.pid for process in found if process.pid != self.agent}

    def _is_group_gone(self) -> bool:
        if self.status is None:
            return False
        return (self.childless and self.reaper) or not ending.signal_group(self.agent, 0)

    def _is_all_gone(self) -> bool:
        """Whether no process of the run is left. A subreaper has no children then; without one, all processes are searched."""
        self._reap()
        if self.reaper or not self.agent:
            return self.childless
        return self._is_group_gone() and not self._members()

    def _members(self) -> list[Identity]:
        roots = (os.getpid(), self.agent) if self.agent and self.status is None else (os.getpid(),)
        return ending.members(os.path.basename(self.folder.path), *roots, reaper=self.reaper)

    def _wait_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while True:
            self._reap()
            if condition():
                return True
            now = time.monotonic()
            if now >= deadline:
                return False
            if self.output and now >= self.output.next_measure:  # the agent can still write a lot while it ends
                self.output.measure()
            # The end of a group member that is not a child sends no signal: check every 20 ms once the agent has ended.
            self.signals.sleep(min(deadline, now + (0.02 if self.status is not None else seconds)))

    def _reap(self) -> None:
        self.childless = False
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self.agent:
                    self.status = status
        except ChildProcessError:
            self.childless = True

    def _conclude(self, reason: str) -> None:
        self.resources.close()
        if self.resources.exceeded_limit:
            self.details.insert(0, self.resources.exceeded_limit)
        started_at = timestamp(time.monotonic() - self._started)  # on today's clock, which may have jumped meanwhile
        document: dict[str, Any] = {"reason": reason, "started_at": started_at, "killed_descendants": self.killed}
        if self.status is not None:
            code = os.waitstatus_to_exitcode(self.status)
            document["exit_code" if code >= 0 else "signal"] = abs(code)
        if self.output:
            failure = self.output.finish()
            if failure:
                self.details.append(failure)
            document["holes"] = {stream.name: stream.hole for stream in self.output.streams if stream.hole}
        document["detail"] = " ".join(self.details)
        write_exit(self.folder, document, self.spec["artifacts"], self.spec["cwd"])
