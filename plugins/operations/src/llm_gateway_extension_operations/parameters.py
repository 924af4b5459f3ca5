"""Parameters with descriptions that several operations share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

JobIdText = Annotated[
    str, Field(max_length=200, description="A job's id, as an async request or llm_job_list returned it.")
]
SessionIdText = Annotated[
    str, Field(max_length=400, description="A session's id: gatewaySessionId or the agent's own.")
]
ProviderName = Annotated[str, Field(description="Name of the provider, such as claude or codex.")]
OneProvider = Annotated[str | None, Field(description="Only this provider, such as codex. Default: all.")]
Limit = Annotated[int, Field(ge=1, le=500, description="Return at most this many, the newest.")]
