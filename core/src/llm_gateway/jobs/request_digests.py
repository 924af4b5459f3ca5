"""Digests of an accepted request, so that only the approved request runs. The store keeps them, not the job's folder. Pure.

Any process that can write to a job's folder, for example an agent of the same user, can change the request there. The gateway
uses a request from the folder only if its digests are equal to those in the store's row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from llm_gateway.errors import Interrupted
from llm_gateway.model.invocation import Notice
from llm_gateway.model.job import Job
from llm_gateway.model.session import Resume, Session

#: A field that the gateway may write again before the launch. It has no effect on the run.
_LEFT_OUT = "env_names"
#: A field with its own digest, because it changes when an earlier turn of the conversation ends meanwhile.
_RESUME = "resume"
SECURITY = "security"


def digests_of(document: bytes) -> Mapping[str, str]:
    """Return the digests of an accepted request as written into a job's folder. Raises ValueError if it is not a JSON object."""
    body = json.loads(document)
    if not isinstance(body, dict):
        raise ValueError("not a JSON object")
    resume = body.pop(_RESUME, None)
    body.pop(_LEFT_OUT, None)
    return {"request": _digest(body), _RESUME: _digest(resume)}


def is_unchanged(job: Job, document: bytes) -> bool:
    """Return whether this is the accepted request, apart from `resume`. Also True if the row has no digest."""
    wanted = job.request_digests.get("request")
    return wanted is None or wanted == digests_of(document)["request"]


def enters_rightly(job: Job, document: bytes, resume: Resume, session: Session | None) -> bool:
    """Return whether `resume` is as accepted, or continues the conversation in its present state."""
    wanted = job.request_digests.get(_RESUME)
    if wanted is None or wanted == digests_of(document)[_RESUME]:
        return True
    return session is not None and resume == Resume(native_id=session.native_id, fresh=False)


def changed(job: Job) -> Interrupted:
    """Return the error that ends a job whose request was changed."""
    message = f"the request of {job.id} in its folder is not the one that was accepted: a process changed it"
    error = Interrupted(message, recovery="Find out what writes to the gateway's home, then send the request again.")
    error.notices = (Notice(code=SECURITY, message=f"Security: {message}. Nothing of the changed request was run."),)
    return error


def sha256(document: bytes) -> str:
    """Return the digest of a whole document, as it is in the job's folder."""
    return hashlib.sha256(document).hexdigest()


def _digest(value: Any) -> str:
    return sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass"))
