"""Stands for one forked process: hands over its streams and its words, passes signals on, ends as that process ends.

Only the standard library, and little of it: every start of a process in a test pays for this file.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys

PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def main() -> None:
    address, *words = sys.argv[1:]
    line = socket.socket(socket.AF_UNIX)
    line.connect(address)
    for number in PASSED_ON:
        signal.signal(number, lambda number, _frame: line.send(bytes([number])))
    umask = os.umask(0o77)
    asked = json.dumps({"words": words, "env": dict(os.environ), "umask": umask}).encode()
    directory = os.open(".", os.O_RDONLY)
    socket.send_fds(line, [len(asked).to_bytes(8, "big")], [0, 1, 2, directory])
    line.sendall(asked)
    if line.recv(1) != b"y":
        os.umask(umask)
        os.execv(sys.executable, [sys.executable, *words])
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in range(3):  # who reads must see the end of the forked process, not of this one
        os.dup2(nowhere, number)
    told = b""
    while not told.endswith(b"\n"):
        piece = line.recv(64)
        if not piece:
            os._exit(70)
        told += piece
    code = int(told)
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


main()
