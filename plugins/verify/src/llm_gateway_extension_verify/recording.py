"""`verify --record CHECKOUT`: write what was seen into a provider's source, as a change to be reviewed.

`shape.json` beside the plugin contains the keys that the output has in every recorded version. In `contract.toml`, `seen` is
extended to this version if nothing differed. The output of the turn becomes a sample of the provider's tests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llm_gateway.files import read_regular, write_atomic
from llm_gateway_extension_verify.surroundings import SHAPE

_CONTRACT = "contract.toml"
_SEEN = re.compile(r'^seen = \["([^"]*)", "([^"]*)"\]$', re.MULTILINE)
_MOST_BYTES = 1 << 20


class NoSource(Exception):
    """The checkout does not contain the provider's package."""


def record(checkout: Path, package: str, made: Mapping[str, Any]) -> list[Path]:
    """Write what one program's report contains. Returns the files. Raises NoSource, OSError. Blocking.

    :param package: the import name of the provider's package.
    :param made: `version`, `ok`, `shape` (key paths) and `sample` (the output).
    """
    found = sorted(path for path in checkout.glob(f"**/src/{package}") if (path / "__init__.py").is_file())
    if not found:
        raise NoSource(f"{checkout} contains no folder src/{package}")
    source = found[0]
    files = [_write_shape(source / SHAPE, made["version"], set(made["shape"]))]
    sample = source.parents[1] / "tests" / "samples" / made["version"] / "verify.stdout"
    sample.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(sample, made["sample"].encode(), mode=0o644)
    files.append(sample)
    if made["ok"] and (source / _CONTRACT).is_file():
        files += _extend_contract(source / _CONTRACT, made["version"])
    return files


def _write_shape(path: Path, version: str, paths: set[str]) -> Path:
    versions = [version]
    try:
        stored = json.loads(read_regular(path, most_bytes=_MOST_BYTES))
    except FileNotFoundError:
        pass
    else:
        paths &= set(stored["paths"])
        versions = sorted({*stored["versions"], version})
    text = json.dumps({"versions": versions, "paths": sorted(paths)}, indent=1)
    write_atomic(path, f"{text}\n".encode(), mode=0o644)
    return path


def _extend_contract(path: Path, version: str) -> list[Path]:
    text = read_regular(path, most_bytes=_MOST_BYTES).decode()
    seen = _SEEN.search(text)
    if seen is None or _numbers(seen[1]) <= _numbers(version) <= _numbers(seen[2]):
        return []
    first, last = sorted((seen[1], seen[2], version), key=_numbers)[::2]
    write_atomic(path, _SEEN.sub(f'seen = ["{first}", "{last}"]', text).encode(), mode=0o644)
    return [path]


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]
