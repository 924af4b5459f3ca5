"""Mistral Vibe asks a model service on this machine."""

from __future__ import annotations

import json

from llm_gateway import Loopback

_PRICES = {"input_price": 1.0, "output_price": 2.0, "cached_input_price": 0.1}
#: Vibe accepts only models of its settings. The service has no model whose name begins with `no-such`.
_MODELS = ("some-model", "no-such-model")


def loopback(service: str) -> Loopback:
    """Return its surroundings. Pure."""
    provider = {
        "name": "mistral",
        "api_base": f"{service}/v1",
        "api_key_env_var": "MISTRAL_API_KEY",
        "backend": "mistral",
    }
    models = {name: {"name": name, "provider": "mistral", "alias": name, **_PRICES} for name in _MODELS}
    return Loopback(
        env={
            "VIBE_PROVIDERS": json.dumps([provider]),
            "VIBE_MODELS": json.dumps(models),
            "VIBE_ACTIVE_MODEL": _MODELS[0],
        },
        key="MISTRAL_API_KEY",
        offline={"VIBE_ENABLE_TELEMETRY": "false", "VIBE_ENABLE_UPDATE_CHECKS": "false"},
        write=lambda path, text: ("write_file", {"path": path, "content": text}),
        shell=lambda command: ("bash", {"command": command}),
    )
