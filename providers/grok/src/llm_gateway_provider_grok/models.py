"""List the models that Grok's environment and catalogue name. No list is built in."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping

from llm_gateway import ModelInfo, owned, probe_environment

_LISTED = re.compile(r"^\s*[*-] (\S+)( \(default\))?\s*$", re.MULTILINE)
#: Variables that the command needs for its files and its service. With a key it asks the service; otherwise it prints a
#: built-in list.
_PASSED = (
    *("PATH", "HOME", "GROK_HOME", "XAI_API_KEY", "GROK_CODE_XAI_API_KEY"),
    *("GROK_XAI_API_BASE_URL", "GROK_MODELS_BASE_URL", "GROK_DEFAULT_MODEL", "HTTPS_PROXY", "https_proxy"),
)


def list_models(environ: Mapping[str, str], catalogue: str) -> list[ModelInfo]:
    """Collect model names with their source. If several sources name a model, the first one is kept."""
    found: dict[str, ModelInfo] = {}
    for model in [*_from_environment(environ), *_from_catalogue(catalogue)]:
        found.setdefault(model.id, model)
    return list(found.values())


def read_catalogue(program: str | None, environ: Mapping[str, str]) -> str:
    """Return the output of `grok models`; "" if it cannot be run."""
    if program is None:
        return ""
    env = probe_environment(program, environ, _PASSED)
    env |= {"GROK_DISABLE_AUTOUPDATER": "1", "GROK_TELEMETRY_ENABLED": "0"}
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as empty, owned(env) as env:
            run = subprocess.run(
                [program, "models"], env=env, capture_output=True, timeout=15, check=False, input=b"", cwd=empty
            )
            return run.stdout.decode(errors="replace")
    except (OSError, subprocess.SubprocessError):
        return ""


def _from_environment(environ: Mapping[str, str]) -> Iterator[ModelInfo]:
    model = environ.get("GROK_DEFAULT_MODEL")
    if model:
        yield ModelInfo(id=model, source="GROK_DEFAULT_MODEL", default=True)


def _from_catalogue(text: str) -> Iterator[ModelInfo]:
    for name, default in _LISTED.findall(text.partition("Available models:")[2]):
        yield ModelInfo(id=name, source="grok models", default=bool(default))
