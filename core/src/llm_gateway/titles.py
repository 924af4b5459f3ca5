"""The title of a job: the first words of its prompt, from its job files. Imports little, because `jobs list` imports it.

Only the terminal shows titles: an answer of an operation contains no text of a prompt that it was not asked for. A job whose
request is not kept (`[jobs] keep_output`) has no title.
"""

from __future__ import annotations

import json
import os

from llm_gateway.files import open_directory, open_regular
from llm_gateway.terminal import one_line

TYPE_CHECKING = False  # without importing `typing`
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

_MOST_CHARS = 120
#: Of a larger request only the beginning of the prompt is read, without looking for its task.
_MOST_BYTES = 64 * 1024
_MOST_REQUEST_BYTES = 256 << 20  #: as for the files that a gateway reads
_MARK = '"prompt":{"text":"'
_DECODER = json.JSONDecoder()


def title_of(home: str | os.PathLike[str], job_id: str) -> str | None:
    """Return the first words of a job's task; None: its request is not kept, or cannot be read. Blocks for a short read."""
    data = _request(home, job_id, _MOST_BYTES + 1)
    if data is None:
        return None
    words = one_line(_task(data)[: 8 * _MOST_CHARS], _MOST_CHARS)
    return words or None


def prompt_of(home: str | os.PathLike[str], job_id: str) -> str | None:
    """Return a job's whole prompt; None: its request is not kept, or cannot be read. Blocks."""
    data = _request(home, job_id, _MOST_REQUEST_BYTES)
    try:
        return (
            None
            if data is None
            else str(json.loads(data.decode("utf-8", "surrogatepass"))["request"]["prompt"]["text"])
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _request(home: str | os.PathLike[str], job_id: str, most: int) -> bytes | None:
    """Return the beginning of a job's request; None: it cannot be read."""
    try:
        folder_fd = open_directory(os.path.join(home, "jobs", job_id))
        try:
            job_file = open_regular("request.json", dir_fd=folder_fd, alone=True)
        finally:
            os.close(folder_fd)
        with open(job_file, "rb") as file:
            return file.read(most)
    except OSError:
        return None


def with_titles(home: str | os.PathLike[str], jobs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return jobs as lists show them, each with its `title` if it has one. Blocks for a short read a job."""
    found = [(job, title_of(home, job["id"])) for job in jobs]
    return [dict(job) if title is None else {**job, "title": title} for job, title in found]


def _task(data: bytes) -> str:
    """Return the prompt in the bytes of a request, without its stable beginning if the request is short enough to look for it."""
    text = data.decode("utf-8", "replace")
    if len(data) <= _MOST_BYTES:
        try:
            prompt = json.loads(text)["request"]["prompt"]
            return str(prompt["text"]).removeprefix(prompt.get("prefix", "")).strip() or str(prompt["text"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return ""
    _, _, rest = text.partition(_MARK)
    head = rest[: 8 * _MOST_CHARS]
    if _could_be_cut(head):
        head = head[: head.rindex("\\")]
    try:
        return str(_DECODER.raw_decode(f'"{head}"')[0])
    except ValueError:
        return ""


def _could_be_cut(head: str) -> bool:
    """Return whether the end of a string in JSON may be the middle of an escape sequence, which has at most six characters."""
    return "\\" in head[-6:]
