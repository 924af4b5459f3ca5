"""Names in messages and on the wire: suggestions for misspelt names, and the wire names of a model's fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import AliasChoices, BaseModel


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean …?` with the most similar known name, or an empty string if none is similar."""
    from difflib import get_close_matches  # imported late: it needs 170 kB of memory, and only mistakes need it

    matches = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {matches[0]}?" if matches else ""


def wire_names(model: type[BaseModel]) -> frozenset[str]:
    """Return all names that callers may use for the fields of a model."""
    names: set[str] = set()
    for name, info in model.model_fields.items():
        alias = info.validation_alias or info.alias or name
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
        names.update(choice for choice in choices if isinstance(choice, str))
    return frozenset(names)


def complaint(detail: Mapping[str, Any]) -> str:
    """Convert a pydantic error to a text that can end a sentence: no prefix, first letter in lower case."""
    message: str = detail["msg"].removeprefix("Value error, ")
    return message[:1].lower() + message[1:]
