"""The program `llm-gateway-echo`. It uses only the standard library and imports nothing of the plugin, so it starts fast."""

from llm_gateway_provider_echo.agent.turn import main

__all__ = ["main"]
