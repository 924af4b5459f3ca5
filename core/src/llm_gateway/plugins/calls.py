"""Calls to plugins: one typed method for every hook. A fault is an exception or an answer of the wrong type.

- build_argv, resume_session, open_reader, list_models, upgrade_plan, loopback: a GatewayError is passed on. Any other fault raises
  ProviderFailed, which names the plugin and its distribution. LookupError if the provider is not loaded.
- explain_failure, account_cache, price, annotate, lifespans, the observers: a fault is logged, and the result is None.
- approve: a fault is a denial.
- operations, resources, prompts, mcp_servers: a fault is logged and recorded; the answers of other plugins are kept.
- open_store, open_engine, open_transport (in `host.py`): a GatewayError is passed on. Any other fault raises PluginError.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from time import perf_counter
from types import MappingProxyType
from typing import Any, TypeVar

import pluggy
from pydantic import BaseModel

from llm_gateway import hookspecs
from llm_gateway.digests import Budget
from llm_gateway.errors import ERRORS, GatewayError, ProviderFailed
from llm_gateway.model.command import Command
from llm_gateway.model.configuration import NO_CONFIG, OwnConfig
from llm_gateway.model.invocation import Invocation
from llm_gateway.model.job import Job
from llm_gateway.model.loopback import Loopback
from llm_gateway.model.operation import Diagnosis, Operation, PromptTemplate, Resource
from llm_gateway.model.posture import Posture
from llm_gateway.model.provider import ModelInfo, OutputReader, ProviderInfo, UpgradePlan
from llm_gateway.model.record import Annotations, Decision, Record, Verdict
from llm_gateway.model.reply import Failure, FinishedRun
from llm_gateway.model.request import McpServer, Proposal, Request
from llm_gateway.model.session import Resume, Session
from llm_gateway.model.usage import CacheAccount, Cost, Usage
from llm_gateway.plugins.checks import items_problem, type_problem, wraps
from llm_gateway.plugins.find import in_one_line
from llm_gateway.plugins.record import PluginRecord
from llm_gateway.plugins.time_limit import HOOK_S, time_limit
from llm_gateway.plugins.wrappers import AnswerCheck, WrapperMistake, check_wrappers

T = TypeVar("T")
#: A further check of an answer that has the right type: returns the problem, or an empty string.
ContentCheck = Callable[[Any], str] | None
log = logging.getLogger("llm_gateway.plugins")

#: A hook that takes longer is logged, in seconds.
SLOW_S = 0.5
#: Hooks that may start a program or read a whole tree; they are called in threads, and take as long as that takes.
MAY_BLOCK = {"gateway_list_models", "gateway_upgrade_plan", "gateway_tree_state", "gateway_diagnose"}


class PluginError(Exception):
    """A plugin that this process needs is missing or broken."""


class HookCalls:
    """The loaded plugins, with one method for each hook."""

    def __init__(self, *, trace: bool = False) -> None:
        self._pm = pluggy.PluginManager(hookspecs.PROJECT)
        for area in hookspecs.AREAS:
            self._pm.add_hookspecs(area)
        self._loaded: dict[str, PluginRecord] = {}
        self._providers: dict[str, ProviderInfo] = {}
        self._callers: dict[tuple[str, str], pluggy.HookCaller] = {}
        self._trace = trace

    @property
    def providers(self) -> Mapping[str, ProviderInfo]:
        """The loaded providers, sorted by name."""
        return MappingProxyType(dict(sorted(self._providers.items())))

    # providers

    def build_argv(
        self, provider: str, request: Request, posture: Posture, resume: Resume, config: OwnConfig = NO_CONFIG
    ) -> Invocation:
        """Ask the provider for the command to execute."""
        asked: dict[str, Any] = {"request": request, "posture": posture, "resume": resume, "config": config}
        return self._call_required(provider, "gateway_build_argv", Invocation, providers=self.providers, **asked)

    def resume_session(self, provider: str, request: Request, session: Session | None) -> Resume:
        """Ask whether a run resumes a conversation, and how."""
        return self._call_required(provider, "gateway_resume_session", Resume, request=request, session=session)

    def open_reader(self, provider: str, request: Request) -> OutputReader:
        """Ask for a reader of one run's output."""
        return self._call_required(provider, "gateway_open_reader", OutputReader, request=request)  # type: ignore[type-abstract]  # checked by its methods

    def list_models(self, provider: str, program: str | None = None) -> Sequence[ModelInfo]:
        """Ask for the models. May block, so call it in a thread."""
        hook = "gateway_list_models"
        check = partial(items_problem, hook, ModelInfo)
        models = self._call_required(provider, hook, Sequence, none=(), content=check, program=program)  # type: ignore[type-abstract]  # isinstance
        if not all(isinstance(model, ModelInfo) for model in models):
            label = self._loaded[f"provider:{provider}"].label
            raise ProviderFailed(f"{label} returned a model that is not a ModelInfo")
        return models

    def upgrade_plan(self, provider: str, target: str | None, program: str | None = None) -> UpgradePlan | None:
        """Ask how to upgrade the CLI. May block, so call it in a thread."""
        return self._call_required(
            provider, "gateway_upgrade_plan", UpgradePlan, none=None, target=target, program=program
        )

    def explain_failure(self, provider: str, run: FinishedRun) -> Failure | None:
        """Ask why a run failed."""
        failure = self._call_optional(provider, "gateway_explain_failure", Failure, content=_code_problem, run=run)
        if failure is None:
            return None
        problem = _code_problem(failure)
        if problem:
            self._loaded[f"provider:{provider}"].note(f"it {problem}")
            return None
        return failure

    def account_cache(self, provider: str, record: Record, earlier: Sequence[Record] = ()) -> CacheAccount | None:
        """Ask for the cache account of a turn."""
        return self._call_optional(provider, "gateway_account_cache", CacheAccount, record=record, earlier=earlier)

    def loopback(self, provider: str, *, service: str, folder: str, variant: str) -> Loopback | None:
        """Ask how the CLI is pointed at a model service on this machine."""
        given: dict[str, Any] = {"service": service, "folder": folder, "variant": variant}
        return self._call_required(provider, "gateway_loopback", Loopback, none=None, **given)

    # all plugins

    def approve(self, proposal: Proposal) -> list[tuple[str, Verdict]]:
        """Ask every policy. Returns the plugin's name with each verdict."""
        verdicts = []
        for plugin, verdict, problem in self._call_each("gateway_approve", Verdict, proposal=proposal):
            if problem:
                verdicts.append((plugin.name, Verdict(decision=Decision.DENY, policy=plugin.name, reasons=(problem,))))
            elif verdict is not None:
                verdicts.append((plugin.name, verdict))
        return verdicts

    def price(self, usage: Usage, provider: str, model: str | None) -> Cost | None:
        """Ask for the price of a turn. The first answer is used."""
        answers = self._call_each("gateway_price", Cost, usage=usage, provider=provider, model=model)
        return next((cost for _, cost, _ in answers if cost is not None), None)

    def annotate(self, **turn: Any) -> list[Annotations]:
        """Ask every plugin for annotations of a turn. Takes the parameters of the hook."""
        answers = self._call_each("gateway_annotate", Annotations, **turn)
        return [annotations for _, annotations, _ in answers if annotations is not None]

    def tree_state(self, directories: Sequence[str], budget: Budget) -> str | None:
        """Ask for the state of the files. May block, so call it in a thread."""
        answers = self._call_each("gateway_tree_state", str, directories=directories, budget=budget)
        return next((state for _, state, _ in answers if state is not None), None)

    def operations(self) -> list[tuple[str, Operation]]:
        """Return the operations of plugins, each with its plugin's key (for `report`)."""
        return self._collect("gateway_operations", Operation)

    def resources(self) -> list[tuple[str, Resource]]:
        """Return the resources of plugins."""
        return self._collect("gateway_resources", Resource)

    def prompts(self) -> list[tuple[str, PromptTemplate]]:
        """Return the prompts of plugins."""
        return self._collect("gateway_prompts", PromptTemplate)

    def commands(self) -> list[tuple[str, Command]]:
        """Return the subcommands of plugins."""
        return self._collect("gateway_commands", Command)

    def diagnoses(self) -> list[tuple[str, Diagnosis]]:
        """Ask plugins to check this machine. May block, so call it in a thread."""
        return self._collect("gateway_diagnose", Diagnosis)

    def mcp_servers(self) -> list[tuple[str, McpServer]]:
        """Return the MCP servers of plugins."""
        return self._collect("gateway_mcp_servers", McpServer)

    def configure(self, top: Mapping[str, BaseModel], of_provider: Mapping[str, BaseModel]) -> None:
        """Pass each plugin the settings sections that it defines.

        :param top: sections at the top level.
        :param of_provider: the keys that a provider's plugin adds to its `[providers.<name>]`.
        """
        for plugin in self._implementers("gateway_configure"):
            settings = {}
            for name in plugin.sections:
                source = of_provider if plugin.key == f"provider:{name}" else top
                settings[name] = source[name]
            self._call_checked(
                plugin, "gateway_configure", object, {"settings": settings}, error=PluginError, none=None
            )

    def job_changed(self, job: Job) -> None:
        """Notify the observers of jobs."""
        list(self._call_each("gateway_job_changed", object, job=job))

    def turn_recorded(self, record: Record) -> None:
        """Notify the observers of turns."""
        list(self._call_each("gateway_turn_recorded", object, record=record))

    @property
    def has_observers(self) -> bool:
        """Whether a plugin implements an observer hook."""
        return bool(self._implementers("gateway_job_changed") or self._implementers("gateway_turn_recorded"))

    def lifespans(self, **opened: Any) -> list[tuple[str, AbstractAsyncContextManager[object]]]:
        """The context managers of `gateway_lifespan`, each with its plugin's key. Takes the parameters of the hook."""
        answers = self._call_each("gateway_lifespan", AbstractAsyncContextManager, **opened)  # type: ignore[type-abstract]  # isinstance
        return [(plugin.key, one) for plugin, one, _ in answers if one is not None]

    # the calls

    def _call_required(
        self,
        provider: str,
        hook: str,
        kind: type[T],
        /,
        *,
        none: Any = ...,
        content: ContentCheck = None,
        **arguments: Any,
    ) -> T:
        """Call a hook whose answer is needed. A fault raises ProviderFailed."""
        plugin = self._loaded.get(f"provider:{provider}")
        if plugin is None:
            raise LookupError(f"no provider named {provider!r} is loaded")
        return self._call_checked(plugin, hook, kind, arguments, error=ProviderFailed, none=none, content=content)

    def _call_optional(self, provider: str, hook: str, kind: type[T], /, **arguments: Any) -> T | None:
        """Call a hook whose answer is not needed. A fault is logged."""
        try:
            return self._call_required(provider, hook, kind, none=None, **arguments)
        except GatewayError as error:
            log.error("%s: %s", hook, error.message, exc_info=log.isEnabledFor(logging.DEBUG))
            return None

    def _call_each(
        self, hook: str, kind: type[T], /, *, content: ContentCheck = None, **arguments: Any
    ) -> Iterator[tuple[PluginRecord, T | None, str]]:
        """Call every plugin that implements a hook, one at a time. A fault is logged.

        Yields the plugin, its answer, and the problem (empty if none). If a wrapper caused the problem, the plugin is the one
        with the wrapper.
        """
        for plugin in self._implementers(hook):
            answer, problem, at_fault = None, "", plugin
            try:
                answer = self._call_checked(
                    plugin, hook, kind, arguments, error=PluginError, none=None, content=content
                )
            except (PluginError, GatewayError) as error:
                problem = str(error) if isinstance(error, PluginError) else _failed(plugin, hook, error)
                log.error("%s", problem, exc_info=log.isEnabledFor(logging.DEBUG))
                at_fault = getattr(error, "culprit", plugin)
            yield at_fault, answer, problem

    def _collect(self, hook: str, kind: type[T]) -> list[tuple[str, T]]:
        """Collect the items of all plugins, each with its plugin's key. Wrong items are recorded and left out."""
        found = []
        check = partial(items_problem, hook, kind)
        for plugin, items, problem in self._call_each(hook, Sequence, content=check):  # type: ignore[type-abstract]  # isinstance
            if problem:
                plugin.note(f"it{problem.removeprefix(plugin.label)}")
            for item in items or ():
                if isinstance(item, kind):
                    found.append((plugin.key, item))
                else:
                    wrong = type_problem(hook, item, kind)
                    plugin.note(f"it {wrong}")
                    log.error("%s %s", plugin.label, wrong)
        return found

    def _call_checked(
        self,
        plugin: PluginRecord,
        hook: str,
        kind: type[T],
        arguments: Any,
        *,
        error: type[Exception],
        none: Any = ...,
        content: ContentCheck = None,
    ) -> T:
        """Call one plugin and check its answer. A GatewayError is passed on; any other fault raises `error`.

        The message names the plugin at fault: the one that was called, or the one whose wrapper made the answer wrong.

        :param none: the result if the plugin answers None. Without it, None is a wrong answer.
        :param content: a further check of answers that a wrapper returns.
        """
        try:
            with check_wrappers(self._answer_check(hook, kind, none, content)):
                answer = self._call(plugin, hook, arguments)
        except GatewayError:
            raise
        except WrapperMistake as mistake:
            raise wrapper_error(mistake, hook, error) from mistake
        except (Exception, SystemExit) as cause:
            raise error(_failed(plugin, hook, cause)) from cause
        if answer is None and none is not ...:
            return none  # type: ignore[no-any-return]  # the caller gives the right type
        problem = type_problem(hook, answer, kind)
        if problem:
            plugin.note(f"it {problem}")
            raise error(f"{plugin.label} {problem}")
        return answer  # type: ignore[no-any-return]  # checked above

    def _answer_check(self, hook: str, kind: type, none: Any = ..., content: ContentCheck = None) -> AnswerCheck:
        """Return the check for answers that wrappers of this hook return."""

        def problem_of(answer: object) -> str:
            problem = type_problem(hook, answer, kind)
            if not problem and content is not None:
                problem = content(answer)
            return problem

        def check(answer: object) -> str:
            if getattr(self._pm.hook, hook).spec.opts.get("firstresult"):
                none_is_allowed = none is not ...
                return "" if answer is None and none_is_allowed else problem_of(answer)
            if not isinstance(answer, list):
                return f"replaced the list of answers to {hook} by {type(answer).__name__}"
            return "; ".join(filter(None, map(problem_of, answer)))

        return check

    def _call(self, plugin: PluginRecord, hook: str, arguments: dict[str, Any]) -> Any:
        """Call one plugin's implementation of a hook. Other implementations are left out; wrappers of all plugins run."""
        caller = self._callers.get((hook, plugin.key))
        if caller is None:
            others = [other.object for other in self._implementers(hook) if other is not plugin]
            caller = self._callers[hook, plugin.key] = self._pm.subset_hook_caller(hook, others)
        start = perf_counter()
        try:
            with time_limit(HOOK_S):
                answer = caller(**arguments)
        finally:
            took_s = perf_counter() - start
            if self._trace or took_s >= SLOW_S:
                called = ",".join(impl.plugin_name for impl in reversed(caller.get_hookimpls())) or plugin.key
                if took_s >= SLOW_S:
                    level = logging.DEBUG if hook in MAY_BLOCK else logging.WARNING
                    log.log(level, "%s took %.1f s in %s (called: %s)", plugin.label, took_s, hook, called)
                if self._trace:
                    print(f"{hook} {called} {took_s * 1000:.3f} ms", file=sys.stderr)
        if caller.spec is None or caller.spec.opts.get("firstresult"):
            return answer
        if not isinstance(answer, list):
            raise TypeError(f"a wrapper replaced the list of answers by {type(answer).__name__}")
        return answer[0] if answer else None

    def _implementers(self, hook: str) -> list[PluginRecord]:
        impls = getattr(self._pm.hook, hook).get_hookimpls()
        return [self._loaded[impl.plugin_name] for impl in reversed(impls) if not wraps(impl)]


def _failed(plugin: PluginRecord, hook: str, error: BaseException) -> str:
    return f"{plugin.label} failed in {hook}: {in_one_line(error)}"


def _code_problem(failure: Any) -> str:
    if failure.code in ERRORS:
        return ""
    return f"answered gateway_explain_failure with the unknown error code {failure.code!r}"


def wrapper_error(mistake: WrapperMistake, hook: str, error: type[Exception]) -> Exception:
    """Return an error that names the plugin whose wrapper is at fault, and record the problem with that plugin."""
    plugin, problem = mistake.plugin, mistake.problem
    text = problem
    if isinstance(problem, BaseException):
        text = f"failed in its wrapper of {hook}: {in_one_line(problem)}"
    plugin.note(f"it {text}")
    made = error(f"{plugin.label} {text}")
    made.culprit = plugin  # type: ignore[attr-defined]  # `_call_each` reads it
    return made
