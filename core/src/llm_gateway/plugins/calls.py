"""Asking plugins: one typed method for every hook.

- build_argv, resume_session, open_reader, list_models, upgrade_plan: GatewayErrors pass; any other exception, or an
  answer of the wrong type, is ProviderFailed with the plugin and its distribution. LookupError for a provider not loaded.
- explain_failure, account_cache, price, annotation, lifespans, the observers: what goes wrong is logged, the answer is None.
- approve: what goes wrong is a denial.
- operations, resources, prompts, mcp_servers: what goes wrong is logged and noted; the others' answers stand.
- open_store, open_engine, open_transport (in `host.py`): GatewayErrors pass, anything else is PluginError.
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
from llm_gateway.model.invocation import Invocation
from llm_gateway.model.job import Job
from llm_gateway.model.operation import Command, Diagnosis, Operation, PromptTemplate, Resource
from llm_gateway.model.posture import Posture
from llm_gateway.model.provider import ModelInfo, OutputReader, ProviderInfo, UpgradePlan
from llm_gateway.model.record import Annotations, Decision, Record, Verdict
from llm_gateway.model.reply import Failure, FinishedRun
from llm_gateway.model.request import McpServer, Proposal, Request
from llm_gateway.model.session import Resume, Session
from llm_gateway.model.usage import CacheAccount, Cost, Usage
from llm_gateway.plugins.checks import wraps
from llm_gateway.plugins.find import told
from llm_gateway.plugins.patience import HOOK_S, patience
from llm_gateway.plugins.record import PluginRecord
from llm_gateway.plugins.wrappers import Judge, WrapperMistake, judged_by

T = TypeVar("T")
Inside = Callable[[Any], str] | None
log = logging.getLogger("llm_gateway.plugins")

#: A hook that takes longer is logged, in seconds.
SLOW_S = 0.5
#: Hooks that may start a program or read a whole tree; they are called in threads, and take as long as that takes.
MAY_BLOCK = {"gateway_list_models", "gateway_upgrade_plan", "gateway_tree_state", "gateway_diagnose"}


class PluginError(Exception):
    """A plugin that this process cannot do without is missing or broken."""


class HookCalls:
    """The loaded plugins, and the hooks as methods."""

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

    def build_argv(self, provider: str, request: Request, posture: Posture, resume: Resume) -> Invocation:
        """Ask what is to be executed."""
        asked: dict[str, Any] = {
            "request": request,
            "posture": posture,
            "resume": resume,
            "providers": self.providers,
        }
        return self._demand(provider, "gateway_build_argv", Invocation, **asked)

    def resume_session(self, provider: str, request: Request, session: Session | None) -> Resume:
        """Ask how a run enters its conversation."""
        return self._demand(provider, "gateway_resume_session", Resume, request=request, session=session)

    def open_reader(self, provider: str, request: Request) -> OutputReader:
        """Ask for a reader of one run's output."""
        return self._demand(provider, "gateway_open_reader", OutputReader, request=request)  # type: ignore[type-abstract]  # checked by its methods

    def list_models(self, provider: str, program: str | None = None) -> Sequence[ModelInfo]:
        """Ask for the models; may block, so call it in a thread."""
        hook, only = "gateway_list_models", partial(_items_misfit, "gateway_list_models", ModelInfo)
        models = self._demand(provider, hook, Sequence, none=(), inside=only, program=program)  # type: ignore[type-abstract]  # isinstance
        if not all(isinstance(model, ModelInfo) for model in models):
            raise ProviderFailed(f"{self._loaded[f'provider:{provider}'].label} named a model that is no ModelInfo")
        return models

    def upgrade_plan(self, provider: str, target: str | None, program: str | None = None) -> UpgradePlan | None:
        """Ask how the CLI would be upgraded; may block, so call it in a thread."""
        return self._demand(provider, "gateway_upgrade_plan", UpgradePlan, none=None, target=target, program=program)

    def explain_failure(self, provider: str, run: FinishedRun) -> Failure | None:
        """Ask why a run failed."""
        failure = self._consult(provider, "gateway_explain_failure", Failure, inside=_code_misfit, run=run)
        if failure is None or not (problem := _code_misfit(failure)):
            return failure
        self._loaded[f"provider:{provider}"].note(f"it {problem}")
        return None

    def account_cache(self, provider: str, record: Record, earlier: Sequence[Record] = ()) -> CacheAccount | None:
        """Ask what a turn's cached tokens mean."""
        return self._consult(provider, "gateway_account_cache", CacheAccount, record=record, earlier=earlier)

    # everybody

    def approve(self, proposal: Proposal) -> list[tuple[str, Verdict]]:
        """Ask every policy; gives the plugin's name with each verdict."""
        verdicts = []
        for plugin, verdict, problem in self._each("gateway_approve", Verdict, proposal=proposal):
            if problem:
                verdicts.append((plugin.name, Verdict(decision=Decision.DENY, policy=plugin.name, reasons=(problem,))))
            elif verdict is not None:
                verdicts.append((plugin.name, verdict))
        return verdicts

    def price(self, usage: Usage, provider: str, model: str | None) -> Cost | None:
        """Ask for the price of a turn; the first answer holds."""
        answers = self._each("gateway_price", Cost, usage=usage, provider=provider, model=model)
        return next((cost for _, cost, _ in answers if cost is not None), None)

    def annotate(self, **turn: Any) -> list[Annotations]:
        """Ask every plugin what it has to say about a turn; takes the hook's parameters."""
        return [said for _, said, _ in self._each("gateway_annotate", Annotations, **turn) if said is not None]

    def tree_state(self, directories: Sequence[str], budget: Budget) -> str | None:
        """Ask for the state of the files; may block, so call it in a thread."""
        answers = self._each("gateway_tree_state", str, directories=directories, budget=budget)
        return next((state for _, state, _ in answers if state is not None), None)

    def operations(self) -> list[tuple[str, Operation]]:
        """The operations that plugins bring, each with its plugin's key (for `report`)."""
        return self._gather("gateway_operations", Operation)

    def resources(self) -> list[tuple[str, Resource]]:
        """The resources that plugins bring."""
        return self._gather("gateway_resources", Resource)

    def prompts(self) -> list[tuple[str, PromptTemplate]]:
        """The prompts that plugins bring."""
        return self._gather("gateway_prompts", PromptTemplate)

    def commands(self) -> list[tuple[str, Command]]:
        """The subcommands that plugins bring."""
        return self._gather("gateway_commands", Command)

    def diagnoses(self) -> list[tuple[str, Diagnosis]]:
        """What plugins find on this machine; may block, so call it in a thread."""
        return self._gather("gateway_diagnose", Diagnosis)

    def mcp_servers(self) -> list[tuple[str, McpServer]]:
        """The MCP servers that plugins name."""
        return self._gather("gateway_mcp_servers", McpServer)

    def configure(self, top: Mapping[str, BaseModel], of_provider: Mapping[str, BaseModel]) -> None:
        """Hand each plugin the sections of the settings that it brought."""
        for plugin in self._implementers("gateway_configure"):
            own = {name: (of_provider if plugin.key == f"provider:{name}" else top)[name] for name in plugin.sections}
            self._ask(plugin, "gateway_configure", object, {"settings": own}, blame=PluginError, none=None)

    def job_changed(self, job: Job) -> None:
        """Tell the observers."""
        list(self._each("gateway_job_changed", object, job=job))

    def turn_recorded(self, record: Record) -> None:
        """Tell the observers."""
        list(self._each("gateway_turn_recorded", object, record=record))

    @property
    def has_observers(self) -> bool:
        """Whether any plugin wants to learn of changes."""
        return bool(self._implementers("gateway_job_changed") or self._implementers("gateway_turn_recorded"))

    def lifespans(self, **opened: Any) -> list[tuple[str, AbstractAsyncContextManager[object]]]:
        """What plugins do for as long as the gateway is open, each with its plugin's key; takes the hook's parameters."""
        answers = self._each("gateway_lifespan", AbstractAsyncContextManager, **opened)  # type: ignore[type-abstract]  # isinstance
        return [(plugin.key, one) for plugin, one, _ in answers if one is not None]

    # how they are asked

    def _demand(
        self, provider: str, hook: str, kind: type[T], /, *, none: Any = ..., inside: Inside = None, **arguments: Any
    ) -> T:
        """What a provider must know."""
        plugin = self._loaded.get(f"provider:{provider}")
        if plugin is None:
            raise LookupError(f"no provider named {provider!r} is loaded")
        return self._ask(plugin, hook, kind, arguments, blame=ProviderFailed, none=none, inside=inside)

    def _consult(self, provider: str, hook: str, kind: type[T], /, **arguments: Any) -> T | None:
        """What a provider may know."""
        try:
            return self._demand(provider, hook, kind, none=None, **arguments)
        except GatewayError as error:
            log.error("%s: %s", hook, error.message, exc_info=log.isEnabledFor(logging.DEBUG))
            return None

    def _each(
        self, hook: str, kind: type[T], /, *, inside: Inside = None, **arguments: Any
    ) -> Iterator[tuple[PluginRecord, T | None, str]]:
        """Ask every plugin that implements a hook, each alone; gives its answer, or what went wrong and who is at fault."""
        for plugin in self._implementers(hook):
            answer, problem, at_fault = None, "", plugin
            try:
                answer = self._ask(plugin, hook, kind, arguments, blame=PluginError, none=None, inside=inside)
            except (PluginError, GatewayError) as error:
                problem = str(error) if isinstance(error, PluginError) else _failed(plugin, hook, error)
                log.error("%s", problem, exc_info=log.isEnabledFor(logging.DEBUG))
                at_fault = getattr(error, "culprit", plugin)
            yield at_fault, answer, problem

    def _gather(self, hook: str, kind: type[T]) -> list[tuple[str, T]]:
        """What all plugins bring; what is wrong is noted, the rest stands."""
        found = []
        only = partial(_items_misfit, hook, kind)
        for plugin, items, problem in self._each(hook, Sequence, inside=only):  # type: ignore[type-abstract]  # isinstance
            if problem:
                plugin.note(f"it{problem.removeprefix(plugin.label)}")
            for item in items or ():
                if isinstance(item, kind):
                    found.append((plugin.key, item))
                else:
                    misfit = _misfit_of(hook, item, kind)
                    plugin.note(f"it {misfit}")
                    log.error("%s %s", plugin.label, misfit)
        return found

    def _ask(
        self,
        plugin: PluginRecord,
        hook: str,
        kind: type[T],
        arguments: Any,
        *,
        blame: type[Exception],
        none: Any = ...,
        inside: Inside = None,
    ) -> T:
        """Ask one plugin. GatewayErrors pass; whatever else goes wrong, or an answer of another kind, is `blame`.

        The one who is at fault is named: the plugin that was asked, or the one whose wrapper spoilt its answer.

        :param none: what no answer means, if one is not needed.
        :param inside: what more a wrapper may not spoil: gives what is wrong with an answer of the right kind.
        """
        try:
            with judged_by(self._judge(hook, kind, none, inside)):
                answer = self._call(plugin, hook, arguments)
        except GatewayError:
            raise
        except WrapperMistake as mistake:
            raise blamed(mistake, hook, blame) from mistake
        except (Exception, SystemExit) as error:
            raise blame(_failed(plugin, hook, error)) from error
        if answer is None and none is not ...:
            return none  # type: ignore[no-any-return]  # the caller's word
        if problem := _misfit_of(hook, answer, kind):
            plugin.note(f"it {problem}")
            raise blame(f"{plugin.label} {problem}")
        return answer  # type: ignore[no-any-return]  # just checked

    def _judge(self, hook: str, kind: type, none: Any = ..., inside: Inside = None) -> Judge:
        """What to hold against a wrapper of this hook."""

        def one(answer: object) -> str:
            return _misfit_of(hook, answer, kind) or (inside(answer) if inside else "")

        def judge(answer: object) -> str:
            if getattr(self._pm.hook, hook).spec.opts.get("firstresult"):
                return "" if answer is None and none is not ... else one(answer)
            if not isinstance(answer, list):
                return f"made {type(answer).__name__} of the list of answers of {hook}"
            return "; ".join(filter(None, map(one, answer)))

        return judge

    def _call(self, plugin: PluginRecord, hook: str, arguments: dict[str, Any]) -> Any:
        """One plugin's own answer: others who implement the hook are out of the call, those who wrap it are in it."""
        caller = self._callers.get((hook, plugin.key))
        if caller is None:
            others = [other.object for other in self._implementers(hook) if other is not plugin]
            caller = self._callers[hook, plugin.key] = self._pm.subset_hook_caller(hook, others)
        start = perf_counter()
        try:
            with patience(HOOK_S):
                answer = caller(**arguments)
        finally:
            took_s = perf_counter() - start
            if self._trace or took_s >= SLOW_S:
                asked = ",".join(impl.plugin_name for impl in reversed(caller.get_hookimpls())) or plugin.key
                if took_s >= SLOW_S:
                    level = logging.DEBUG if hook in MAY_BLOCK else logging.WARNING
                    log.log(level, "%s took %.1f s in %s (asked: %s)", plugin.label, took_s, hook, asked)
                if self._trace:
                    print(f"{hook} {asked} {took_s * 1000:.3f} ms", file=sys.stderr)
        if caller.spec is None or caller.spec.opts.get("firstresult"):
            return answer
        if not isinstance(answer, list):
            raise TypeError(f"a wrapper made {type(answer).__name__} of the list of answers")
        return answer[0] if answer else None

    def _implementers(self, hook: str) -> list[PluginRecord]:
        impls = getattr(self._pm.hook, hook).get_hookimpls()
        return [self._loaded[impl.plugin_name] for impl in reversed(impls) if not wraps(impl)]


def _failed(plugin: PluginRecord, hook: str, error: BaseException) -> str:
    return f"{plugin.label} failed in {hook}: {told(error)}"


def _misfit_of(hook: str, answer: object, kind: type) -> str:
    """What is wrong with an answer of another kind; empty: nothing."""
    return "" if _fits(answer, kind) else f"answered {hook} with {type(answer).__name__}, not {kind.__name__}"


def _items_misfit(hook: str, kind: type, answer: Any) -> str:
    wrong = [item for item in answer if not isinstance(item, kind)]
    return f"put {type(wrong[0]).__name__} into the answer to {hook}, not {kind.__name__}" if wrong else ""


def _code_misfit(failure: Any) -> str:
    if failure.code in ERRORS:
        return ""
    return f"answered gateway_explain_failure with the unknown error code {failure.code!r}"


def blamed(mistake: WrapperMistake, hook: str, blame: type[Exception]) -> Exception:
    """The error that names the plugin whose wrapper is at fault; what is wrong is noted with that plugin."""
    plugin, problem = mistake.plugin, mistake.problem
    text = f"failed in its wrapper of {hook}: {told(problem)}" if isinstance(problem, BaseException) else str(problem)
    plugin.note(f"it {text}")
    error = blame(f"{plugin.label} {text}")
    error.culprit = plugin  # type: ignore[attr-defined]  # for who asks several plugins
    return error


def _fits(answer: object, kind: type) -> bool:
    if getattr(kind, "_is_protocol", False):
        methods = [name for name in vars(kind) if not name.startswith("_")]
        return all(callable(getattr(answer, name, None)) for name in methods)
    return isinstance(answer, kind)
