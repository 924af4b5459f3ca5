"""A provider as one class: what the single hooks of a provider ask, as methods."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel

from llm_gateway.model.invocation import Invocation
from llm_gateway.model.loopback import Loopback
from llm_gateway.model.posture import Posture
from llm_gateway.model.provider import ModelInfo, OutputReader, ProviderInfo, UpgradePlan
from llm_gateway.model.record import Record
from llm_gateway.model.reply import Failure, FinishedRun
from llm_gateway.model.request import Request
from llm_gateway.model.session import Resume, Session
from llm_gateway.model.usage import CacheAccount, Cost, Usage


class Provider(ABC):
    """A CLI as one class, which `gateway_register_provider` returns an instance of.

    A subclass sets `info` and implements `resume_session`, `build_argv` and `open_reader`; the other methods are optional. Each
    method is called as the hook of its name is (`gateway_build_argv` and so on), and may raise the same errors. It may leave out
    parameters that it does not need. Methods can be called from several threads.
    """

    info: ProviderInfo  #: the description of the CLI; it must not depend on this machine
    #: The keys that the plugin adds to its section `[providers.<name>]`: extra="forbid", every field with a default.
    settings_model: ClassVar[type[BaseModel] | None] = None

    @abstractmethod
    def resume_session(self, request: Request, session: Session | None) -> Resume:
        """Decide which conversation a run continues or starts. May raise SessionNotResumable."""

    @abstractmethod
    def build_argv(self, request: Request, posture: Posture, resume: Resume) -> Invocation:
        """Build the command for one request: the same arguments give the same result. May raise InvalidRequest.

        With `ProviderInfo.read_config` it may take `config: OwnConfig = OwnConfig()`: what that function has read.
        """

    @abstractmethod
    def open_reader(self, request: Request) -> OutputReader:
        """Create a reader for the output of one run."""

    def explain_failure(self, run: FinishedRun) -> Failure | None:
        """Return the cause of a failed run. None: the kernel applies its shared rules."""
        return None

    def list_models(self, program: str | None) -> Sequence[ModelInfo]:
        """List the models that the CLI's own files or commands name. May block.

        :param program: the path of the CLI that requests use; None: it is not installed.
        """
        return ()

    def upgrade_plan(self, target: str | None, program: str | None) -> UpgradePlan | None:
        """Return the command that would upgrade this installation. Runs nothing. May block.

        :param target: a version; None: the newest.
        :param program: the path of the CLI that requests use; None: it is not installed.
        """
        return None

    def account_cache(self, record: Record, earlier: Sequence[Record]) -> CacheAccount | None:
        """Interpret a turn's cached tokens.

        :param earlier: newest first: ended turns of the same conversation, then others with the same prefix; a few of each.
        """
        return None

    def price(self, usage: Usage, model: str | None) -> Cost | None:
        """Price the tokens of one turn of this provider, as `gateway_price` does for every provider."""
        return None

    def loopback(self, service: str, folder: str, variant: str) -> Loopback | None:
        """Say how the CLI is pointed at a model service on this machine. None: it cannot be, and is not verified.

        :param service: the address of the service.
        :param folder: the CLI's home directory, empty and private.
        """
        return None

    def configure(self, settings: BaseModel) -> None:
        """Receive the operator's settings, an instance of `settings_model`. Called once at start, if there is a model."""
        return
