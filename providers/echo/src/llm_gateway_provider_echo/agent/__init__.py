"""The program `llm-gateway-echo`: standard library only, nothing of the plugin, quick to start."""

from llm_gateway_provider_echo.agent.turn import main

__all__ = ["main"]
