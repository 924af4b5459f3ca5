"""Turn a forked process into the agent. Standard library only."""

from __future__ import annotations

import os
import signal

from llm_gateway_engine_local.process import system

#: A program must not inherit these as ignored. Signals with a handler are reset by exec itself.
_IGNORED = {number for number in range(1, signal.NSIG) if signal.getsignal(number) is signal.SIG_IGN}


def become_agent(argv: list[str], env: dict[str, str], cwd: str, streams: tuple[int, int, int], gate: int) -> None:
    """Execute the agent's program in a session of its own. Returns only by raising.

    :param streams: the descriptors that become stdin, stdout and stderr.
    :param gate: wait until the shim writes a byte here. End of file: the shim is gone or could not write `state.json`; exit.
    """
    signal.set_wakeup_fd(-1)
    os.setsid()
    system.die_with_parent()
    if not os.read(gate, 1):
        os._exit(127)
    for target, source in enumerate(streams):
        os.dup2(source, target)
    for number in _IGNORED | {signal.SIGINT, signal.SIGHUP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.chdir(cwd)
    os.execve(argv[0], argv, env)  # noqa: S606  argv is a list; no shell is involved
