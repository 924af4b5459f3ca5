"""Fuzzing that follows the branches of the code, with atheris: python native.py HOURS [TARGET...]

atheris is installed into .cache/atheris by the first call (it has wheels for some versions of Python alone). What was learnt of each
target stays in .cache/fuzz/TARGET and is gone on with; an input that breaks a promise is put into .cache/fuzz/broken, as
TARGET-crash-…, and becomes a test by name. Ends with 1 if there is one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ATHERIS, CORPUS, BROKEN = (ROOT / ".cache" / name for name in ("atheris", "fuzz", "fuzz/broken"))
SLOW_S = 20  #: for one input: a reader that is linear takes milliseconds


def install() -> None:
    """Once."""
    if not (ATHERIS / "atheris").exists():
        uv = os.environ.get("UV") or str(Path(sys.executable).parents[1] / "uv/bin/uv")
        command = [uv, "pip", "install", "--quiet", "--python", sys.executable, "--target", str(ATHERIS), "atheris"]
        subprocess.run(command, check=True, timeout=600)


def fuzz(name: str) -> None:
    """This process is one target's: never returns. libFuzzer's own arguments follow the name."""
    sys.path[:0] = [str(ROOT), str(ATHERIS)]
    import atheris

    with atheris.instrument_imports(include=["llm_gateway", *ours()]):
        from tests.fuzz.targets import TARGETS

        target = TARGETS[name]
        for number, seed in enumerate(target.seeds()):
            (CORPUS / name / f"seed-{number}").write_bytes(seed)
            target.feed(seed)  # much is imported when it is used first
    atheris.Setup([sys.argv[0], *sys.argv[3:]], target.feed)
    atheris.Fuzz()


def ours() -> list[str]:
    """The packages of this repository."""
    return [path.name for path in ROOT.glob("p*/*/src/*") if path.is_dir()]


def main(hours: float, names: list[str]) -> int:
    """Every target in a process of its own, as many at a time as there are cores."""
    install()
    BROKEN.mkdir(parents=True, exist_ok=True)
    before = set(BROKEN.iterdir())
    width = os.cpu_count() or 1
    seconds = max(1, round(hours * 3600 * min(width, len(names)) / len(names)))
    waiting, running = list(names), []
    while waiting or running:
        while waiting and len(running) < width:
            running.append(begin(waiting.pop(0), seconds))
        running.pop(0).wait()
    found = sorted(set(BROKEN.iterdir()) - before)
    for name in names:
        print(f"{name}: {log_of(name).read_text(errors='replace').strip().rpartition(chr(10))[2]}")
    for path in found:
        print(f"broken: {path.relative_to(ROOT)}")
    return 1 if found else 0


def begin(name: str, seconds: int) -> subprocess.Popen[bytes]:
    """Start one."""
    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    limits = [f"-max_total_time={seconds}", f"-timeout={SLOW_S}", "-max_len=65536", "-rss_limit_mb=2048"]
    command = [sys.executable, __file__, "--target", name, *limits, f"-artifact_prefix={BROKEN}/{name}-", str(folder)]
    with log_of(name).open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def log_of(name: str) -> Path:
    """What libFuzzer says."""
    return CORPUS / f"{name}.log"


if __name__ == "__main__":
    if sys.argv[1] == "--target":
        fuzz(sys.argv[2])
    sys.path.insert(0, str(ROOT))
    from tests.fuzz.targets import TARGETS as KNOWN

    sys.exit(main(float(sys.argv[1]), sys.argv[2:] or list(KNOWN)))
