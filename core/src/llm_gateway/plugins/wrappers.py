"""Find the hook wrapper that raised or made an answer wrong.

A wrapper runs around the plugin that is called, and can change its answer. pluggy does not record which wrapper changed it. So
each wrapper is watched here: if its input passes the check and its output does not, this wrapper is at fault.
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

#: Checks an answer as pluggy passes it through the wrappers. Returns the problem, or an empty string.
AnswerCheck = Callable[[object], str]

_check: ContextVar[AnswerCheck | None] = ContextVar("llm_gateway_hook_check", default=None)


class WrapperMistake(Exception):
    """A wrapper raised an exception, or replaced a correct answer by a wrong one."""

    def __init__(self, plugin: PluginRecord, problem: str | BaseException) -> None:
        self.plugin = plugin
        self.problem = problem  #: the problem with its answer, or the exception that it raised
        super().__init__(str(problem))


@contextmanager
def check_wrappers(check: AnswerCheck) -> Iterator[None]:
    """Inside the block, check every answer of a wrapper with this function."""
    token = _check.set(check)
    try:
        yield
    finally:
        _check.reset(token)


def watch(plugin: PluginRecord, impl: pluggy.HookImpl) -> None:
    """Change a wrapper so that its faults raise WrapperMistake with its plugin."""
    watched = _watched_old if impl.hookwrapper else _watched
    impl.function = watched(plugin, impl.function)  # type: ignore[misc]  # pluggy has no public way to do this


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
        _compare(plugin, None, answer, input_failed=True)
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
                _compare(plugin, received, outcome.get_result(), input_failed=before is not None)
            except WrapperMistake as mistake:
                outcome.force_exception(mistake)

    return watched


def _begin(plugin: PluginRecord, wrapper: Any) -> None:
    try:
        next(wrapper)
    except StopIteration:
        raise WrapperMistake(plugin, "its wrapper did not yield") from None
    except Exception as error:
        raise _converted(plugin, error) from error


def _finish(plugin: PluginRecord, step: Any, value: object, *, inner: BaseException | None = None) -> Any:
    try:
        step(value)
    except StopIteration as stop:
        return stop.value
    except Exception as error:
        if error is inner:
            raise
        raise _converted(plugin, error) from error
    raise WrapperMistake(plugin, "its wrapper yields twice")


def _converted(plugin: PluginRecord, error: Exception) -> Exception:
    """Convert an exception of a wrapper. A GatewayError counts as an answer; a WrapperMistake names its plugin already."""
    if isinstance(error, (GatewayError, WrapperMistake)):
        return error
    return WrapperMistake(plugin, error)


def _compare(plugin: PluginRecord, received: object, answer: object, *, input_failed: bool = False) -> None:
    """Raise WrapperMistake if the wrapper's input was good (or an exception) and its output is wrong."""
    check = _check.get()
    if check is None or answer is received:
        return
    problem = check(answer)
    if problem and (input_failed or not check(received)):
        raise WrapperMistake(plugin, problem)
