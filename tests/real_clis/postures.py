"""What a run of a real program can do on a posture: tried by its own tools and by its shell, seen on the disk and by the model.

    python -m tests.real_clis.postures

measures every program and writes `docs/reference/postures.json`, from which `docs/reference/generate.py` makes the table.
"""

from __future__ import annotations

import fcntl
import json
import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.real_clis.tools import call, shell, write

if TYPE_CHECKING:
    from llm_gateway import Posture
    from tests.conftest import ModelServer
    from tests.real_clis.agent import RealAgent

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "reference" / "postures.json"
#: Set by `main`: the tests write instead of comparing.
WRITE = "WRITE_POSTURES"
PYTHON = "/usr/bin/python3"
#: The tool that reads a file, and the name of its parameter; Codex reads by its shell.
READ = {
    "claude": ("Read", "file_path"),
    "gemini": ("read_file", "file_path"),
    "grok": ("read_file", "target_file"),
    "mistral": ("read_file", "path"),
}
WORDS = {(True, True): "anywhere", (True, False): "inside", (False, False): "none", (False, True): "outside"}


@contextmanager
def listener() -> Iterator[tuple[int, queue.Queue[bytes]]]:
    """A service on the loopback that no run has any business with: its port, and what it was sent."""
    heard: queue.Queue[bytes] = queue.Queue()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            while True:
                try:
                    line, _ = server.accept()
                except OSError:
                    return
                with line:
                    heard.put(line.recv(4096))

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield server.getsockname()[1], heard
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def measure(agent: RealAgent, model_server: ModelServer, posture: Posture) -> dict[str, str]:
    """Files read, files written, programs run and network reached by them on a posture.

    `inside` is the working directory; `looking` programs are those like `cat`, which the program takes for harmless.
    """
    inside, outside = agent.work, agent.folder / "elsewhere"
    for folder, word in ((inside, "inner"), (outside, "outer")):
        folder.mkdir(exist_ok=True)
        (folder / "there.txt").write_text(f"{word}-word\n")
        (folder / "looked.txt").write_text(f"{word}-look\n")
    with listener() as (port, heard):
        probe = f"import socket;print('ran-%d'%(37*9));socket.create_connection(('127.0.0.1',{port}),3).sendall(b'out')"
        script = f'{PYTHON} -c "{probe}"'
        touch = f"{PYTHON} -c \"import sys;[open(p,'w') for p in sys.argv[1:]]\""
        if reads := READ.get(agent.name):
            for folder in (inside, outside):
                agent.ask(call(reads[0], **{reads[1]: str(folder / "there.txt")}), posture)
        for folder in (inside, outside):
            agent.ask(shell(agent.name, f"cat {folder}/looked.txt"), posture)
            agent.ask(write(agent.name, folder / "edited.txt"), posture)
            agent.ask(shell(agent.name, f"{touch} {folder}/touched.txt"), posture)
        looked = _seen(model_server)
        agent.ask(shell(agent.name, script), posture)
        ran = "ran-333" in _seen(model_server)
        reached = not heard.empty()
    wrote = [(folder / "edited.txt").exists() or (folder / "touched.txt").exists() for folder in (inside, outside)]
    read = [f"{word}-word" in looked or f"{word}-look" in looked for word in ("inner", "outer")]
    harmless = "looking" if "inner-look" in looked or "outer-look" in looked else "none"
    return {
        "reads": WORDS[read[0], read[1]],
        "writes": WORDS[wrote[0], wrote[1]],
        "programs": "any" if ran else harmless,
        "network": ("yes" if reached else "no") if ran else "",
    }


def _seen(model_server: ModelServer) -> str:
    """All that the model was sent."""
    return json.dumps([entry.get("body") for entry in model_server.log(bodies=True)])


def main() -> int:
    """Have the tests measure, and write down what they find; they compare only when run by themselves."""
    command = [sys.executable, "-m", "pytest", "-n", "2", "tests/real_clis/test_postures_measured.py"]
    done = subprocess.run(command, cwd=ROOT, check=False, timeout=3600, env={**os.environ, WRITE: "1"})
    return done.returncode


def keep(name: str, posture: str, cells: dict[str, str]) -> None:
    """Write one row of the table; several tests may do so at once."""
    with open(TABLE, "a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        table = json.loads(file.read() or "{}")
        table.setdefault(name, {})[posture] = cells
        file.truncate(0)
        file.write(json.dumps(table, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    sys.exit(main())
