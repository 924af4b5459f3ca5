"""When a limit is reset, in any provider's words. The kernel reads them with the same function."""

from llm_gateway import reset_time, system_zone

__all__ = ["reset_time", "system_zone"]
