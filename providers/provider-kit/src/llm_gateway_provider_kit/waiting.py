"""Read when a limit is reset from the message of any provider. The kernel uses the same function."""

from llm_gateway import reset_time, system_zone

__all__ = ["reset_time", "system_zone"]
