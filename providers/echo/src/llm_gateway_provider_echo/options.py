"""The provider's own parameters. They stand beside the common ones in `echo_request`, so their schema is kept small."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

#: How the imitation behaves; `agent/scenarios.py` says what each one does.
Scenario = Literal[
    "echo", "steps", "recall", "env", "silent", "noisy", "flood", "long_line", "odd_writes", "hang", "detach", "empty",
    "garbage", "crash", "crash_after_text", "auth", "quota", "overloaded", "bad_model", "tool_denied", "error_exit0",
]  # fmt: skip


class EchoOptions(BaseModel):
    """What `echo_request` takes beside the common parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)

    scenario: Scenario = Field("echo", description="What the imitation agent does.")
    amount: int = Field(0, ge=0, le=10**9, description="Size of the scenario, such as steps or bytes. 0: its default.")
    delay_ms: int = Field(0, ge=0, le=86_400_000, description="Wait this long before each step.")
    on_term: Literal["exit", "ignore", "flush"] = Field("exit", description="What the imitation agent does on SIGTERM.")
