"""Codex asks a model service on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from llm_gateway import Loopback


def loopback(service: str) -> Loopback:
    """Return its surroundings. Pure."""
    # It tries once more and no oftener: a service that cannot be reached must not take a minute.
    provider = (
        f'{{name="loopback",base_url="{service}/openai/v1",env_key="CODEX_API_KEY",wire_api="responses",'
        "request_max_retries=1,stream_max_retries=1}"
    )
    return Loopback(
        settings={"overrides": ['model_provider="loopback"', f"model_providers.loopback={provider}"]},
        key="CODEX_API_KEY",
        write=_write,
        shell=_shell,
    )


def _write(path: str, text: str) -> tuple[str, Mapping[str, Any]]:
    added = "\n".join(f"+{line}" for line in text.splitlines())
    patch = f"*** Begin Patch\n*** Add File: {path}\n{added}\n*** End Patch"
    return _script(f"text(JSON.stringify(await tools.apply_patch({json.dumps(patch)})))")


def _shell(command: str) -> tuple[str, Mapping[str, Any]]:
    return _script(f"const r = await tools.exec_command({json.dumps({'cmd': command})}); text(r.output)")


def _script(javascript: str) -> tuple[str, Mapping[str, Any]]:
    """Its models call tools in a piece of JavaScript."""
    return ("exec", {"input": javascript})
