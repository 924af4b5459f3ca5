"""Asking plugins: one typed method for every hook.

- describe, build_argv, resume_session, open_reader, list_models, upgrade_plan: GatewayErrors pass; any other exception, or an
  answer of the wrong type, is ProviderFailed with the plugin and its distribution. LookupError for a provider not loaded.
- explain_failure, account_cache, price, the observers: what goes wrong is logged, the answer is None.
- approve: what goes wrong is a denial.
- operations, resources, prompts, mcp_servers: what goes wrong is logged and noted; the others' answers stand.
- open_store, open_engine, open_transport: GatewayErrors pass, anything else is PluginError.
"""

from __future__ import annotations

import logging
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from time import perf_counter
from typing import Any, TypeVar

import pluggy

from llm_gateway import hookspecs
from llm_gateway.errors import ERRORS, GatewayError, ProviderFailed
from llm_gateway.model.engine import Engine
from llm_gateway.model.invocation import Invocation
from llm_gateway.model.job import Job
from llm_gateway.model.operation import Operation, PromptTemplate, Resource
from llm_gateway.model.posture import Posture
from llm_gateway.model.provider import ModelInfo, OutputReader, ProviderInfo, UpgradePlan
from llm_gateway.model.record import Decision, Record, Verdict
from llm_gateway.model.reply import Failure, FinishedRun
from llm_gateway.model.request import McpServer, Proposal, Request
from llm_gateway.model.session import Resume, Session
from llm_gateway.model.store import Store
from llm_gateway.model.transport import Transport
from llm_gateway.model.usage import CacheAccount, Cost, Usage
from llm_gateway.plugins.find import told
from llm_gateway.plugins.record import Plugin

T = TypeVar("T")
log = logging.getLogger("llm_gateway.plugins")


class PluginError(Exception):
    """A plugin that this process cannot do without is missing or broken."""


class HookCalls(ABC):
    """The loaded plugins, and the hooks as methods."""

    def __init__(self, *, trace: bool = False) -> None:
        self._pm = pluggy.PluginManager(hookspecs.PROJECT)
        self._pm.add_hookspecs(hookspecs)
        self._loaded: dict[str, Plugin] = {}
        self._callers: dict[tuple[str, str], pluggy.HookCaller] = {}
        self._trace = trace

    # providers

    def describe(self, provider: str) -> ProviderInfo:
        """Ask a provider to describe its CLI."""
        return self._demand(provider, "gateway_describe_provider", ProviderInfo)

    def build_argv(self, provider: str, request: Request, posture: Posture, resume: Resume) -> Invocation:
        """Ask what is to be executed."""
        return self._demand(provider, "gateway_build_argv", Invocation, request=request, posture=posture, resume=resume)

    def resume_session(self, provider: str, request: Request, session: Session | None) -> Resume:
        """Ask how a run enters its conversation."""
        return self._demand(provider, "gateway_resume_session", Resume, request=request, session=session)

    def open_reader(self, provider: str, request: Request) -> OutputReader:
        """Ask for a reader of one run's output."""
        return self._demand(provider, "gateway_open_reader", OutputReader, request=request)  # type: ignore[type-abstract]  # checked by its methods

    def list_models(self, provider: str) -> Sequence[ModelInfo]:
        """Ask for the models; may block, so call it in a thread."""
        models = self._demand(provider, "gateway_list_models", Sequence, none=())  # type: ignore[type-abstract]  # isinstance
        if not all(isinstance(model, ModelInfo) for model in models):
            raise ProviderFailed(f"{self._loaded[f'provider:{provider}'].label} named a model that is no ModelInfo")
        return models

    def upgrade_plan(self, provider: str, target: str | None) -> UpgradePlan | None:
        """Ask how the CLI would be upgraded; may block, so call it in a thread."""
        return self._demand(provider, "gateway_upgrade_plan", UpgradePlan, none=None, target=target)

    def explain_failure(self, provider: str, run: FinishedRun) -> Failure | None:
        """Ask why a run failed."""
        failure = self._consult(provider, "gateway_explain_failure", Failure, run=run)
        if failure is not None and failure.code not in ERRORS:
            plugin = self._loaded[f"provider:{provider}"]
            self._note(plugin, f"it answered gateway_explain_failure with the unknown error code {failure.code!r}")
            return None
        return failure

    def account_cache(self, provider: str, record: Record) -> CacheAccount | None:
        """Ask what a turn's cached tokens mean."""
        return self._consult(provider, "gateway_account_cache", CacheAccount, record=record)

    # everybody

    def approve(self, proposal: Proposal) -> list[tuple[str, Verdict]]:
        """Ask every policy; gives the plugin's name with each verdict."""
        verdicts = []
        for plugin, answer in self._each("gateway_approve", proposal=proposal):
            if isinstance(answer, BaseException):
                answer = _denial(plugin, f"{plugin.label} failed in gateway_approve: {told(answer)}")  # noqa: PLW2901
            elif not isinstance(answer, Verdict | None):
                self._note(plugin, f"it answered gateway_approve with {type(answer).__name__}, not Verdict")
                answer = _denial(plugin, f"{plugin.label} gave no verdict but {type(answer).__name__}")  # noqa: PLW2901
            if answer is not None:
                verdicts.append((plugin.name, answer))
        return verdicts

    def price(self, usage: Usage, provider: str, model: str | None) -> Cost | None:
        """Ask for the price of a turn; the first answer holds."""
        for plugin, answer in self._each("gateway_price", usage=usage, provider=provider, model=model):
            if isinstance(answer, Cost):
                return answer
            if answer is not None:
                self._complain(plugin, "gateway_price", answer, "Cost")
        return None

    def operations(self) -> list[tuple[str, Operation]]:
        """The operations that plugins bring, each with its plugin's key (for `report`)."""
        return list(self._gather("gateway_operations", Operation))

    def resources(self) -> list[tuple[str, Resource]]:
        """The resources that plugins bring."""
        return list(self._gather("gateway_resources", Resource))

    def prompts(self) -> list[tuple[str, PromptTemplate]]:
        """The prompts that plugins bring."""
        return list(self._gather("gateway_prompts", PromptTemplate))

    def mcp_servers(self) -> list[tuple[str, McpServer]]:
        """The MCP servers that plugins name."""
        return list(self._gather("gateway_mcp_servers", McpServer))

    def job_changed(self, job: Job) -> None:
        """Tell the observers."""
        self._tell("gateway_job_changed", job=job)

    def turn_recorded(self, record: Record) -> None:
        """Tell the observers."""
        self._tell("gateway_turn_recorded", record=record)

    # one store, one engine, one transport

    def open_store(self, url: str, home: str) -> Store:
        """Load the store of this URL's scheme and make it, unopened."""
        return self._open("store", url.partition(":")[0], Store, url=url, home=home)  # type: ignore[type-abstract]  # checked by its methods

    def open_engine(self, url: str, home: str) -> Engine:
        """Load the engine of this URL's scheme and make it, unopened."""
        return self._open("engine", url.partition(":")[0], Engine, url=url, home=home)  # type: ignore[type-abstract]  # checked by its methods

    def open_transport(self, name: str) -> Transport:
        """Load a transport and make it."""
        return self._open("transport", name, Transport, name=name)  # type: ignore[type-abstract]  # checked by its methods

    # how they are asked

    @abstractmethod
    def _need(self, kind: str, name: str) -> Plugin:
        """Load the one that is asked for, or raise PluginError."""

    def _ask(self, plugin: Plugin, hook: str, arguments: dict[str, Any]) -> Any:
        """Ask one plugin; the others of its kind are out of the call, wrappers of other kinds are in it."""
        others = [other for other in self._loaded.values() if other.kind == plugin.kind and other is not plugin]
        return self._call(plugin, hook, others, arguments)

    def _each(self, hook: str, /, **arguments: Any) -> Iterator[tuple[Plugin, Any]]:
        """Ask every plugin that implements a hook, each alone inside the wrappers; gives its answer or its exception."""
        for plugin in self._implementers(hook):
            try:
                answer = self._alone(plugin, hook, arguments)
            except (Exception, SystemExit) as error:
                log.error(
                    "%s failed in %s: %s", plugin.label, hook, told(error), exc_info=log.isEnabledFor(logging.DEBUG)
                )
                answer = error
            yield plugin, answer

    def _implementers(self, hook: str) -> list[Plugin]:
        impls = getattr(self._pm.hook, hook).get_hookimpls()
        return [self._loaded[impl.plugin_name] for impl in reversed(impls) if not (impl.wrapper or impl.hookwrapper)]

    def _alone(self, plugin: Plugin, hook: str, arguments: dict[str, Any]) -> Any:
        """Ask one plugin a hook that others implement too; gives its own answer, not a list of one."""
        others = [other for other in self._implementers(hook) if other is not plugin]
        answer = self._call(plugin, hook, others, arguments)
        if getattr(self._pm.hook, hook).spec.opts.get("firstresult"):
            return answer
        if not isinstance(answer, list):
            raise TypeError(f"a wrapper made {type(answer).__name__} of the list of answers")
        return answer[0] if answer else None

    def _call(self, plugin: Plugin, hook: str, without: list[Plugin], arguments: dict[str, Any]) -> Any:
        caller = self._callers.get((hook, plugin.key))
        if caller is None:
            caller = self._pm.subset_hook_caller(hook, [other.object for other in without])
            self._callers[hook, plugin.key] = caller
        if not self._trace:
            return caller(**arguments)
        start = perf_counter()
        try:
            return caller(**arguments)
        finally:
            asked = ",".join(impl.plugin_name for impl in reversed(caller.get_hookimpls()))
            print(f"{hook} {asked or plugin.key} {(perf_counter() - start) * 1000:.3f} ms", file=sys.stderr)

    def _demand(self, provider: str, hook: str, kind: type[T], /, *, none: Any = ..., **arguments: Any) -> T:
        plugin = self._loaded.get(f"provider:{provider}")
        if plugin is None:
            raise LookupError(f"no provider named {provider!r} is loaded")
        try:
            answer = self._ask(plugin, hook, arguments)
        except GatewayError:
            raise
        except (Exception, SystemExit) as error:
            raise ProviderFailed(f"{plugin.label} failed in {hook}: {told(error)}") from error
        if answer is None and none is not ...:
            return none  # type: ignore[no-any-return]  # the caller says what no answer means
        if not _fits(answer, kind):
            self._note(plugin, f"it answered {hook} with {type(answer).__name__}, not {kind.__name__}")
            raise ProviderFailed(f"{plugin.label} answered {hook} with {type(answer).__name__}, not {kind.__name__}")
        return answer  # type: ignore[no-any-return]  # just checked

    def _consult(self, provider: str, hook: str, kind: type[T], /, **arguments: Any) -> T | None:
        try:
            return self._demand(provider, hook, kind, none=None, **arguments)
        except GatewayError as error:
            log.error("%s: %s", hook, error.message, exc_info=log.isEnabledFor(logging.DEBUG))
            return None

    def _gather(self, hook: str, kind: type[T]) -> Iterator[tuple[str, T]]:
        for plugin, answer in self._each(hook):
            if isinstance(answer, BaseException):
                self._note(plugin, f"it failed in {hook}: {told(answer)}")
            elif not isinstance(answer, Sequence | None):
                self._complain(plugin, hook, answer, f"a sequence of {kind.__name__}")
            else:
                for item in answer or ():
                    if isinstance(item, kind):
                        yield plugin.key, item
                    else:
                        self._complain(plugin, hook, item, kind.__name__)

    def _tell(self, hook: str, /, **arguments: Any) -> None:
        for _ in self._each(hook, **arguments):
            pass

    def _open(self, kind: str, name: str, protocol: type[T], /, **arguments: Any) -> T:
        plugin = self._need(kind, name)
        hook = f"gateway_open_{kind}"
        try:
            answer = self._ask(plugin, hook, arguments)
        except GatewayError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(f"{plugin.label} failed in {hook}: {told(error)}") from error
        if not _fits(answer, protocol):
            raise PluginError(f"{plugin.label} answered {hook} with {type(answer).__name__}, not {protocol.__name__}")
        return answer  # type: ignore[no-any-return]  # just checked

    def _complain(self, plugin: Plugin, hook: str, answer: object, wanted: str) -> None:
        if not isinstance(answer, BaseException):  # an exception is in the log already
            log.error("%s answered %s with %s, not %s", plugin.label, hook, type(answer).__name__, wanted)
            self._note(plugin, f"it answered {hook} with {type(answer).__name__}, not {wanted}")

    def _note(self, plugin: Plugin, problem: str) -> None:
        known = plugin.problem.split("; ") if plugin.problem else []
        if problem not in known:
            plugin.problem = "; ".join([*known, problem][-5:])


def _denial(plugin: Plugin, reason: str) -> Verdict:
    return Verdict(decision=Decision.DENY, policy=plugin.name, reasons=(reason,))


def _fits(answer: object, kind: type) -> bool:
    if getattr(kind, "_is_protocol", False):
        methods = [name for name in vars(kind) if not name.startswith("_")]
        return all(callable(getattr(answer, name, None)) for name in methods)
    return isinstance(answer, kind)
