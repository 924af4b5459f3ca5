"""The life of one run, in a process of its own. Standard library only; nothing of the kernel.

Why nothing is run twice, lost or left behind:
- The job's lock is held from before anything happens until this process ends, however it ends. Who holds it is the shim; a second
  one finds it held, or finds `state.json`, and goes away. `state.json` is on the disk before the agent's program begins, so an agent
  that may have run is never started again, not even after a loss of power.
- `cancel` is looked at after `state.json` was written, and after every SIGTERM. Who cancels writes `cancel` first and then looks for
  `state.json` to find whom to wake. So either it is found here, or it finds us, whose handler has stood since before the lock.
- The agent starts in a session of its own, its output goes to files, and this process is the subreaper of all its descendants: that
  `waitpid` knows of no more children means that nobody is left to write. Only then the output is measured and `exit.json` written.
- Between fork and exec the agent waits until its identity stands in `state.json`, and ends if its shim does not say so; it asks to
  be killed with its shim (Linux). So a shim that is killed leaves no agent at work. What else the run had started is killed by
  whoever finds the lock free and no `exit.json`.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import time
from contextlib import suppress
from datetime import datetime, timedelta, timezone

from . import ending, identity, linux
from .artifacts import keep_artifacts
from .folder import CANCEL, EXIT, FILES, SPEC, STATE, STDERR, STDIN, STDOUT, Folder
from .notifier import notify
from .output import Output
from .resources import Resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RUN_FILES = "{run_files}"  #: the same word as in the kernel, whose model is too slow to import here
_GENTLE_S = 0.5
_CLAIM_S, _WRITE_S = 1.0, 30.0
#: What a program must not inherit from us as ignored; those with a handler, exec itself sets back.
_IGNORED = {number for number in range(1, signal.NSIG) if signal.getsignal(number) is signal.SIG_IGN}


def keep(message: dict[str, Any], wake: int) -> None:
    """Carry out the run that a message names, from its beginning to its `exit.json`; go away if it has begun already.

    :param wake: the descriptor whose end tells the gateway that there is a verdict, or no shim any more. A byte in it says that
        this shim has begun, so that nobody starts the run again, whatever has become of the folder.
    """
    alarm = _Alarm()
    linux.take_name()
    folder = Folder(str(message["folder"]))
    if not _claim(folder):
        return
    shim = _Shim(folder, alarm, wake)
    # What is to be run comes from the gateway alone: `spec.json` is for those who look, and others can write there.
    shim.live(message["spec"], message.get("env", {}), message.get("files", {}))
    if wake >= 0:  # before the notifications: who waits for this very run comes first
        os.close(wake)
    notify(os.path.dirname(os.path.dirname(folder.path)), os.path.basename(folder.path).encode())


def _claim(folder: Folder) -> bool:
    """Take the lock for life, unless this run has begun already."""
    deadline = time.monotonic() + _CLAIM_S
    while not (folder.has(STATE) or folder.has(EXIT)):
        if folder.lock() is not None:
            return not (folder.has(STATE) or folder.has(EXIT))
        if time.monotonic() > deadline:
            break
        time.sleep(0.005)  # another shim that begins just now, or a gateway that looks
    return False


class _Alarm:
    """Sleep until a time, a child's end or a SIGTERM."""

    def __init__(self) -> None:
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self.called = True  #: a SIGTERM came: look whether the run was canceled

    def sleep(self, until: float) -> None:
        """Sleep; a signal that came before is not lost."""
        if select.select([self._reader], [], [], max(until - time.monotonic(), 0))[0]:
            self.called = signal.SIGTERM in os.read(self._reader, 4096) or self.called


class _Shim:
    def __init__(self, folder: Folder, alarm: _Alarm, wake: int) -> None:
        self.folder, self.alarm, self.wake = folder, alarm, wake
        self.spec: dict[str, Any] = {}
        self.agent = 0
        self.status: int | None = None  #: the agent's, once it is reaped
        self.reaper = self.childless = False
        self.killed = 0
        self.details: list[str] = []
        self.started_at, self._begun = _now(), time.monotonic()
        self.output: Output | None = None
        self.resources = Resources("", {})

    def live(self, spec: dict[str, Any], env: dict[str, str], files: dict[str, bytes]) -> None:
        """Start, watch over, end, and write down."""
        self.spec = spec
        try:
            reason = self._run(spec, env, files)
        except Exception as error:  # whatever it is, the agent must not outlive its shim's senses
            self._sweep(gentle=False)
            self.details.append(f"The shim failed: {error!r}.")
            reason = "vanished" if self.agent else "spawn_failed"
        self._conclude(reason)

    def _run(self, spec: dict[str, Any], env: dict[str, str], files: dict[str, bytes]) -> str:
        self.reaper = linux.become_reaper()
        try:
            self.output = Output(self.folder, spec["limits"]["output_bytes"])
            self.resources = Resources(os.path.basename(self.folder.path), spec["limits"])
            if files or any(RUN_FILES in word for word in (*spec["argv"], *env.values(), *spec["artifacts"])):
                self.folder.make_files(files)
            stuck = self._spawn(spec, env)
        except OSError as error:
            self.details.append(f"{error.strerror}: {error.filename}" if error.filename else str(error))
            return "spawn_failed"
        reason = stuck or self._watch(self.output, spec["limits"])
        if reason != "exited" and self.agent:
            self._end(spec["end_steps"])
        self._sweep(gentle=self.status is not None)
        if reason == "exited" and self.resources.killed_for_memory():
            return "resource_limit"
        return reason

    def _spawn(self, spec: dict[str, Any], env: dict[str, str]) -> str:
        """Start the agent; answers why it never came to be its program (canceled, suspended, a hung disk), else ""."""
        run_files = os.path.join(self.folder.path, FILES)
        argv = [word.replace(RUN_FILES, run_files) for word in spec["argv"]]
        if not os.path.isabs(argv[0]):  # it would be looked for in the working directory, where anybody may have put it
            raise FileNotFoundError(errno.ENOENT, "No absolute path to the program", argv[0])
        env = {name: value.replace(RUN_FILES, run_files) for name, value in env.items()}
        env[ending.MARKER] = os.path.basename(self.folder.path)
        assert self.output
        stdin = self.folder.open(STDIN, os.O_RDONLY) if spec["stdin"] else os.open(os.devnull, os.O_RDONLY)
        trouble, report = os.pipe()
        gate, key = os.pipe()
        self.agent = os.fork()
        if self.agent == 0:
            os.close(key)
            try:
                self.resources.enter()
                _become(argv, env, spec["cwd"], (stdin, self.output.stdout.fd, self.output.stderr.fd), gate)
            except OSError as error:
                culprit = spec["cwd"] if error.filename == spec["cwd"] else argv[0]
                os.write(report, f"{error.errno} {culprit}".encode(errors="surrogateescape"))
            except BaseException as error:  # such as a NUL byte; nothing may return from here
                os.write(report, f"{errno.EINVAL} {error}".encode(errors="replace"))
            os._exit(127)
        for fd in (report, stdin, gate):
            os.close(fd)
        if not self._let_begin(key):
            os.close(trouble)
            return "canceled"
        deadline = time.monotonic() + spec["limits"]["timeout_s"]
        while not select.select([trouble], [], [], _GENTLE_S)[0]:
            if self.folder.has(CANCEL) or time.monotonic() >= deadline:
                os.close(trouble)
                return "canceled" if self.folder.has(CANCEL) else "timeout"
        with os.fdopen(trouble, "rb") as pipe:
            number, _, culprit = pipe.read().decode(errors="replace").partition(" ")  # its end is the agent's exec
        if number:
            self._take_back()
            raise OSError(int(number), os.strerror(int(number)), culprit)
        return ""

    def _let_begin(self, key: int) -> bool:
        """Write down who we are, and open the gate to the agent; False: it was canceled, and there is none any more."""
        try:
            boot = identity.boot_id()
            state: dict[str, Any] = {"started_at": self.started_at}
            for name, pid in (("shim", os.getpid()), ("agent", self.agent)):
                found = identity.identify(pid, boot)
                state[name] = found.to_dict() if found else None
            if self.resources.group:
                state["cgroup"] = self.resources.group.path
            self.folder.write_json(STATE, state, durable=True)
            self._say_begun()
            if self.folder.has(CANCEL):
                self._take_back()
                return False
            with suppress(BrokenPipeError):  # killed while it waited: told as any agent that was killed
                os.write(key, b"!")
        except OSError:
            self._take_back()
            raise
        finally:
            os.close(key)
        return True

    def _say_begun(self) -> None:
        with suppress(OSError):  # nobody listens any more
            os.write(self.wake, b"!")

    def _take_back(self) -> None:
        """End an agent that has not become its program: there was none."""
        os.kill(self.agent, signal.SIGKILL)
        os.waitpid(self.agent, 0)
        self.agent = 0

    def _watch(self, output: Output, limits: dict[str, Any]) -> str:
        """Wait for the agent's end, or for a reason to end it."""
        deadline = time.monotonic() + limits["timeout_s"]
        idle_s = limits["idle_timeout_s"] or float("inf")
        while True:
            self._reap()
            if self.status is not None:
                return "exited"
            now = time.monotonic()
            looks = now >= min(output.next_look, output.grown_at + idle_s)
            if self.alarm.called or looks:  # who cancels need not know us to be heard, if only later
                self.alarm.called = False
                if self.folder.has(CANCEL):
                    return "canceled"
            if looks:
                output.look()
            if not output.fits:
                return "output_overflow"
            if self.resources.exceeded():
                return "resource_limit"
            if now >= deadline:
                return "timeout"
            if now >= output.grown_at + idle_s:
                return "idle_timeout"
            self.alarm.sleep(min(deadline, output.next_look, output.grown_at + idle_s, self.resources.next_look))

    def _end(self, steps: list[tuple[int, float]]) -> None:
        """Ask the agent's group to end, step by step, for as long as somebody is left in it."""
        for number, grace_s in steps:
            ending.strike_group(self.agent, number)
            if self._wait_until(self._is_group_gone, grace_s):
                return

    def _sweep(self, *, gentle: bool) -> None:
        """End every descendant that is left, until there are no more children."""
        if self._is_all_gone():
            return
        seen: set[int] = set()
        if gentle:
            seen |= self._strike_all(signal.SIGTERM)
            if self._wait_until(self._is_all_gone, _GENTLE_S):
                self.killed = len(seen)
                return
        deadline, pause = time.monotonic() + ending.PATIENCE_S, 0.005
        while not self._is_all_gone():
            if time.monotonic() > deadline:
                self.details.append("Some of its processes could not be ended.")
                break
            seen |= self._strike_all(signal.SIGKILL)
            self._wait_until(self._is_all_gone, pause)
            pause = min(pause * 2, 0.2)
        self.killed = len(seen)

    def _strike_all(self, number: int) -> set[int]:
        """Signal every process of the run; returns the ids of those found, without the agent's."""
        found = ending.descendants(os.getpid())
        if number == signal.SIGKILL:
            self.resources.kill()
        if self.status is None or not self.reaper:
            ending.strike_group(self.agent, number)
        for who in found:
            who.signal(number)
        return {who.pid for who in found if who.pid != self.agent}

    def _is_group_gone(self) -> bool:
        return self.status is not None and ((self.childless and self.reaper) or not ending.strike_group(self.agent, 0))

    def _is_all_gone(self) -> bool:
        """Where orphans come to us, no children means nobody; elsewhere the group is all that can be asked."""
        self._reap()
        return self.childless if self.reaper or not self.agent else self._is_group_gone()

    def _wait_until(self, condition: Any, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while True:
            self._reap()
            if condition():
                return True
            now = time.monotonic()
            if now >= deadline:
                return False
            if self.output and now >= self.output.next_look:  # also who is asked to end may flood
                self.output.look()
            # A member of the group that is not our child ends without telling us.
            self.alarm.sleep(min(deadline, now + (0.02 if self.status is not None else seconds)))

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
        if self.resources.told:
            self.details.insert(0, self.resources.told)
        started_at = _now(time.monotonic() - self._begun)  # by today's clock, which may have jumped meanwhile
        document: dict[str, Any] = {"reason": reason, "started_at": started_at, "killed_descendants": self.killed}
        if self.status is not None:
            code = os.waitstatus_to_exitcode(self.status)
            document["exit_code" if code >= 0 else "signal"] = abs(code)
        if self.output:
            if trouble := self.output.finish():
                self.details.append(trouble)
            document["holes"] = {stream.name: stream.hole for stream in self.output.streams if stream.hole}
        document["detail"] = " ".join(self.details)
        conclude(self.folder, document, self.spec["artifacts"], self.spec["cwd"])


def conclude(folder: Folder, document: dict[str, Any], artifacts: list[str], cwd: str | None = None) -> None:
    """Clear up after a run and write its `exit.json`, by which it is over. The caller holds the lock.

    Tried for a while when the disk is full: a verdict should not be lost for a few bytes. Where somebody has deleted the folder there
    is nowhere to write it.

    :param cwd: where artifacts lie that are not among the temporary files; None: those are not to be looked for.
    """
    with suppress(OSError):  # they are handed over as empty then
        keep_artifacts(folder, artifacts, RUN_FILES, cwd)
    folder.remove(FILES)
    with suppress(OSError):
        # Of whoever was killed at it, the gateway too.
        folder.remove_drafts(STDIN, SPEC, STATE, EXIT, "request.json", "reply.txt")
    document = {
        **document,
        "ended_at": _now(),
        "stdout_bytes": folder.size(STDOUT),
        "stderr_bytes": folder.size(STDERR),
    }
    deadline = time.monotonic() + _WRITE_S
    while not folder.gone:
        with suppress(*([] if time.monotonic() > deadline else [OSError])):
            folder.write_json(EXIT, document, durable=True)
            return
        time.sleep(0.5)


def _become(argv: list[str], env: dict[str, str], cwd: str, streams: tuple[int, int, int], gate: int) -> None:
    """Turn a fresh fork into the agent. Answers only by raising."""
    signal.set_wakeup_fd(-1)
    os.setsid()
    linux.die_with_parent()
    if not os.read(gate, 1):  # the shim is gone, or could not write down who we are
        os._exit(127)
    for target, source in enumerate(streams):
        os.dup2(source, target)
    for number in _IGNORED | {signal.SIGINT, signal.SIGHUP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.chdir(cwd)
    os.execve(argv[0], argv, env)  # noqa: S606  argv is a list; no shell stands between


def _now(ago_s: float = 0.0) -> str:
    return (datetime.now(timezone.utc) - timedelta(seconds=ago_s)).isoformat()
