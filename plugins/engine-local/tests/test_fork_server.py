"""What the fork server does when its gateway ends."""

from __future__ import annotations

import os
import subprocess
import sys

#: A gateway that has a fork server and a program of its own, which keeps the descriptor open.
_GATEWAY = """
import os, subprocess, sys
from llm_gateway import owned
from llm_gateway_engine_local.shim import fork_server
from llm_gateway_engine_local.shim.starter import Starter

starter = Starter()
os.close(starter.start(fork_server.pack(sys.argv[1], {}, {}, {})))  # a shim without a folder ends at once
with owned(os.environ) as env:
    subprocess.run(["/bin/sh", "-c", "echo started; exec sleep 600"], env=env, stdout=int(sys.argv[2]))
"""


def test_the_fork_server_of_a_killed_gateway_ends_what_the_gateway_ran_for_itself(tmp_path):
    reader, writer = os.pipe()
    argv = [sys.executable, "-c", _GATEWAY, str(tmp_path / "gone"), str(writer)]
    with subprocess.Popen(argv, pass_fds=(writer,)) as gateway, os.fdopen(reader, "rb") as output:
        os.close(writer)
        assert output.readline() == b"started\n"
        gateway.kill()
        assert output.read() == b""  # the end of file: the program is gone
