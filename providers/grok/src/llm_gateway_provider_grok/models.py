"""Which models Grok's own environment and catalogue name. Nothing is remembered here."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping

from llm_gateway import ModelInfo, probe_environment

_LISTED = re.compile(r"^\s*[*-] (\S+)( \(default\))?\s*$", re.MULTILINE)
#: What the command needs to find its files and its service; with a key it asks the service, else it tells what is built in.
_SEEN = (
    *("PATH", "HOME", "GROK_HOME", "XAI_API_KEY", "GROK_CODE_XAI_API_KEY"),
    *("GROK_XAI_API_BASE_URL", "GROK_MODELS_BASE_URL", "GROK_DEFAULT_MODEL", "HTTPS_PROXY", "https_proxy"),
)


def list_models(environ: Mapping[str, str], catalogue: str) -> list[ModelInfo]:
    """Collect names, each with the place where it was read; the first place that names a model keeps it."""
    found: dict[str, ModelInfo] = {}
    for model in [*_from_environment(environ), *_from_catalogue(catalogue)]:
        found.setdefault(model.id, model)
    return list(found.values())


def read_catalogue(program: str | None, environ: Mapping[str, str]) -> str:
    """What `grok models` prints; empty when it cannot be asked."""
    if program is None:
        return ""
    env = probe_environment(program, environ, _SEEN)
    env |= {"GROK_DISABLE_AUTOUPDATER": "1", "GROK_TELEMETRY_ENABLED": "0"}
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as empty:
            run = subprocess.run(
                [program, "models"], env=env, capture_output=True, timeout=15, check=False, input=b"", cwd=empty
            )
            return run.stdout.decode(errors="replace")
    except (OSError, subprocess.SubprocessError):
        return ""


def _from_environment(environ: Mapping[str, str]) -> Iterator[ModelInfo]:
    if model := environ.get("GROK_DEFAULT_MODEL"):
        yield ModelInfo(id=model, source="GROK_DEFAULT_MODEL", default=True)


def _from_catalogue(text: str) -> Iterator[ModelInfo]:
    for name, default in _LISTED.findall(text.partition("Available models:")[2]):
        yield ModelInfo(id=name, source="grok models", default=bool(default))
