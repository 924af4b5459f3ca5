"""The provider's own parameters. They stand beside the common ones in `echo_request`, so their schema is kept small."""

from enum import Enum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Scenario(str, Enum):
    """How the imitation behaves; `agent/scenarios.py` says what each one does."""

    ECHO = "echo"
    STEPS = "steps"
    RECALL = "recall"
    ENV = "env"
    SILENT = "silent"
    NOISY = "noisy"
    FLOOD = "flood"
    LONG_LINE = "long_line"
    ODD_WRITES = "odd_writes"
    HANG = "hang"
    DETACH = "detach"
    EMPTY = "empty"
    GARBAGE = "garbage"
    CRASH = "crash"
    CRASH_AFTER_TEXT = "crash_after_text"
    AUTH = "auth"
    QUOTA = "quota"
    OVERLOADED = "overloaded"
    BAD_MODEL = "bad_model"
    TOOL_DENIED = "tool_denied"
    ERROR_EXIT0 = "error_exit0"


class EchoOptions(BaseModel):
    """What `echo_request` takes beside the common parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)

    scenario: Scenario = Field(Scenario.ECHO, description="How to behave; for tests.")
    amount: int = Field(
        0, ge=0, le=10**9, description="How many (steps, bytes, letters, lines, s); 0: the scenario's own."
    )
    delay_ms: int = Field(0, ge=0, le=86_400_000, description="Pause before the answer, or after each step.")
    on_term: Literal["exit", "ignore", "flush"] = Field("exit", description="What SIGTERM does.")
