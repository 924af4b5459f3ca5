"""Wrappers of hooks: which of them spoilt an answer.

A wrapper stands around the plugin that is asked. When the answer that comes out is wrong, pluggy does not say who made it so.
Here each wrapper is watched: what went in fits and what came out does not, then that wrapper is the one to name.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any

import pluggy

from llm_gateway.errors import GatewayError
from llm_gateway.plugins.record import PluginRecord

#: Says of an answer, as pluggy hands it through the wrappers, what is wrong with it; empty: nothing.
Judge = Callable[[object], str]

_judge: ContextVar[Judge | None] = ContextVar("llm_gateway_hook_judge", default=None)


class WrapperMistake(Exception):
    """A wrapper raised, or made a wrong answer of a right one."""

    def __init__(self, plugin: PluginRecord, problem: str | BaseException) -> None:
        self.plugin = plugin
        self.problem = problem  #: what is wrong with its answer, or what it raised
        super().__init__(str(problem))


@contextmanager
def judged_by(judge: Judge) -> Iterator[None]:
    """Judge by this what wrappers answer inside the block."""
    token = _judge.set(judge)
    try:
        yield
    finally:
        _judge.reset(token)


def watch(plugin: PluginRecord, impl: pluggy.HookImpl) -> None:
    """Have a wrapper's mistakes raise WrapperMistake with its plugin."""
    watched = _watched_old if impl.hookwrapper else _watched
    impl.function = watched(plugin, impl.function)  # type: ignore[misc]  # the only place where pluggy lets one look in


def _watched(plugin: PluginRecord, function: Any) -> Any:
    @wraps(function)
    def watched(*arguments: Any, **named: Any) -> Generator[None, Any, Any]:
        wrapper = function(*arguments, **named)
        _begin(plugin, wrapper)
        try:
            received = yield
        except BaseException as inner:
            answer = _finish(plugin, wrapper.throw, inner, inner=inner)
        else:
            answer = _finish(plugin, wrapper.send, received)
            _compare(plugin, received, answer)
            return answer
        _compare(plugin, None, answer, anything_went=True)
        return answer

    return watched


def _watched_old(plugin: PluginRecord, function: Any) -> Any:
    @wraps(function)
    def watched(*arguments: Any, **named: Any) -> Generator[None, Any, None]:
        wrapper = function(*arguments, **named)
        _begin(plugin, wrapper)
        outcome = yield
        before = outcome.exception
        received = None if before else outcome.get_result()
        _finish(plugin, wrapper.send, outcome)
        after = outcome.exception
        if after is not None and after is not before and not isinstance(after, GatewayError):
            outcome.force_exception(WrapperMistake(plugin, after))
        elif after is None:
            try:
                _compare(plugin, received, outcome.get_result(), anything_went=before is not None)
            except WrapperMistake as mistake:
                outcome.force_exception(mistake)

    return watched


def _begin(plugin: PluginRecord, wrapper: Any) -> None:
    try:
        next(wrapper)
    except StopIteration:
        raise WrapperMistake(plugin, "its wrapper did not yield") from None
    except Exception as error:
        raise _blamed(plugin, error) from error


def _finish(plugin: PluginRecord, step: Any, value: object, *, inner: BaseException | None = None) -> Any:
    try:
        step(value)
    except StopIteration as stop:
        return stop.value
    except Exception as error:
        if error is inner:
            raise
        raise _blamed(plugin, error) from error
    raise WrapperMistake(plugin, "its wrapper yields twice")


def _blamed(plugin: PluginRecord, error: Exception) -> Exception:
    """Errors of the gateway are answers; a mistake has its plugin already."""
    return error if isinstance(error, (GatewayError, WrapperMistake)) else WrapperMistake(plugin, error)


def _compare(plugin: PluginRecord, received: object, answer: object, *, anything_went: bool = False) -> None:
    judge = _judge.get()
    if judge is None or answer is received:
        return
    problem = judge(answer)
    if problem and (anything_went or not judge(received)):
        raise WrapperMistake(plugin, problem)
