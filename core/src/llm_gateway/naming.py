"""Names that people write: which one they may have meant, and how a field is called on the wire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import AliasChoices, BaseModel


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean …?` when there is something near."""
    from difflib import get_close_matches  # a sixth of a megabyte, for mistakes alone

    return f"; did you mean {match[0]}?" if (match := get_close_matches(name, list(known), n=1, cutoff=0.5)) else ""


def wire_names(model: type[BaseModel]) -> frozenset[str]:
    """The names under which callers may give the fields of a model."""
    names: set[str] = set()
    for name, info in model.model_fields.items():
        alias = info.validation_alias or info.alias or name
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
        names.update(choice for choice in choices if isinstance(choice, str))
    return frozenset(names)


def complaint(detail: Mapping[str, Any]) -> str:
    """What pydantic says of a value, as the end of our sentence."""
    message: str = detail["msg"].removeprefix("Value error, ")
    return message[:1].lower() + message[1:]
