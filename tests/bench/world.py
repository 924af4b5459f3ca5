"""Where the measured processes live: a home of their own, compiled bytecode, one tiny provider, and a client of raw frames."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
QUICK = os.environ.get("BENCH_QUICK", "") not in ("", "0")
ANSWER_S = 120.0

_ENTRY_POINTS = "[llm_gateway.provider]\ntiny = llm_gateway_bench_provider\n"
_METADATA = "Metadata-Version: 2.1\nName: llm-gateway-bench-provider\nVersion: 0\n"


def times(full: int) -> int:
    """How often to do something: a quick run only proves that the bench works."""
    return max(full // 20, 3) if QUICK else full


@dataclass(frozen=True)
class World:
    """One home, one environment."""

    root: Path
    environ: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, root: Path, compiled: Path) -> World:
        """Lay out the folders and write down the provider's entry point. Bytecode is kept in `compiled`."""
        found = root / "dists" / "llm_gateway_bench_provider-0.dist-info"
        found.mkdir(parents=True)
        (found / "entry_points.txt").write_text(_ENTRY_POINTS)
        (found / "METADATA").write_text(_METADATA)
        (root / "place").mkdir()
        environ = {
            name: value for name, value in os.environ.items() if not name.startswith(("LLM_GATEWAY_", "PYTEST_"))
        }
        environ.pop("PYTHONDONTWRITEBYTECODE", None)  # as installed: compiled once, by the first start
        environ |= {
            "PYTHONPATH": os.pathsep.join([str(found.parent), str(HERE / "provider"), str(HERE.parents[1])]),
            "PYTHONPYCACHEPREFIX": str(compiled),
            "LLM_GATEWAY_HOME": str(root / "home"),
            "LLM_GATEWAY_LIMITS_RUNNING": "64",
            "LLM_GATEWAY_LIMITS_PER_PROVIDER": "64",
            "LLM_GATEWAY_SURFACE_SHOW_ABSENT": "true",
        }
        return cls(root=root, environ=environ)

    def warm_up(self) -> None:
        """Start once: bytecode is compiled, and the cache of plugins filled."""
        with self.serve() as client:
            client.begin()
            client.ask("tools/list")

    @property
    def place(self) -> str:
        """A working directory outside of git."""
        return str(self.root / "place")

    def job(self, job_id: str) -> Path:
        """A job's folder."""
        return self.root / "home" / "jobs" / job_id

    @property
    def manifest(self) -> Path:
        """What lets a start answer at once."""
        return self.root / "home" / "handshake" / "mcp.json"

    def warm(self) -> None:
        """Prepare a quick start."""
        command = [sys.executable, "-m", "llm_gateway.cli", "serve", "--prime"]
        subprocess.run(command, env=self.environ, cwd=self.place, check=True, timeout=60)

    def git_tree(self) -> str:
        """A working directory inside of git, clean."""
        tree = self.root / "tree"
        tree.mkdir()
        (tree / "file").write_text("words\n")
        who = ("-c", "user.name=bench", "-c", "user.email=bench@example.invalid")
        for words in (("init", "-q"), ("add", "file"), (*who, "commit", "-q", "-m", "begin")):
            subprocess.run(["git", *words], cwd=tree, env=self.environ, check=True, timeout=60)
        return str(tree)

    @contextlib.contextmanager
    def serve(self) -> Iterator[Client]:
        """Start `llm-gateway serve`; it has not been spoken to yet."""
        command = [sys.executable, "-m", "llm_gateway.cli", "serve"]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self.environ, cwd=self.place
        ) as process:
            client = Client(process)
            try:
                yield client
            finally:
                client.close()

    def inside(self, *arguments: str) -> Any:
        """Run `inside.py` in a process of its own, in the same environment; what it measured."""
        done = subprocess.run(
            [sys.executable, str(HERE / "inside.py"), *arguments],
            env=self.environ,
            cwd=self.place,
            stdout=subprocess.PIPE,
            check=True,
            timeout=600,
        )
        return json.loads(done.stdout)


class Client:
    """Speaks MCP in raw frames; many calls may be under way at once, from many threads."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.pid = process.pid
        self._process = process
        self._guard = threading.Lock()
        self._number = 0
        self._waiting: dict[int, tuple[threading.Event, list[bytes]]] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def begin(self) -> None:
        """Shake hands."""
        self.ask(
            "initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo={"name": "bench", "version": "0"}
        )
        self._write({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def begun(self, world: World, job: str) -> dict[str, dict[str, int]]:
        """Wait until a job's agent is there; its and its shim's job files."""
        until = time.monotonic() + ANSWER_S
        path = world.job(job) / "state.json"
        while not path.exists():
            if time.monotonic() >= until:
                raise TimeoutError(f"{job} does not run")
            self.call("llm_job_status", {"jobId": job})
        return dict(json.loads(path.read_bytes()))

    def ask(self, method: str, **params: Any) -> Any:
        """Ask, and wait for the result."""
        return self.ask_raw(method, **params)[0]

    def ask_raw(self, method: str, **params: Any) -> tuple[Any, int, float]:
        """The result, the bytes of its frame, and the seconds from writing the question to reading the answer."""
        done = threading.Event()
        with self._guard:
            self._number += 1
            number = self._number
            self._waiting[number] = (done, [])
        began = time.perf_counter()
        self._write({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        if not done.wait(ANSWER_S):
            raise TimeoutError(f"no answer to {method}")
        took = time.perf_counter() - began
        line = self._waiting.pop(number)[1][0]
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["result"], len(line), took

    def call(self, tool: str, arguments: dict[str, Any], **meta: Any) -> tuple[dict[str, Any], float]:
        """Call a tool; its data, and the seconds it took."""
        extra = {"_meta": meta} if meta else {}
        result, _, took = self.ask_raw("tools/call", name=tool, arguments=arguments, **extra)
        if result.get("isError"):
            raise RuntimeError(result)
        return result["structuredContent"], took

    def close(self) -> None:
        """Close stdin and wait for the gateway's end."""
        assert self._process.stdin
        assert self._process.stdout
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(60)
        self._reader.join(10)
        self._process.stdout.close()

    def _write(self, message: dict[str, Any]) -> None:
        assert self._process.stdin
        with self._guard:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            head = line if len(line) < 4096 else line[:100] + line[-100:]
            if b'"id"' not in head:
                continue  # a notification: progress
            number = _id_of(line)
            if number in self._waiting:
                done, box = self._waiting[number]
                box.append(line)
                done.set()


def _id_of(line: bytes) -> int:
    answer = json.loads(line)
    return int(answer.get("id", -1))


def bare(argv: tuple[str, ...]) -> float:
    """Run a program as a bare script would, its output into memory; the seconds it took."""
    began = time.perf_counter()
    subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
    return time.perf_counter() - began
