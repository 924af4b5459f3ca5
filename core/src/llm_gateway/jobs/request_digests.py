"""What was approved is what runs: digests of an accepted request, kept in the store, out of reach of the job's folder. Pure.

The request that lies in a job's folder can be changed by whoever can write there, an agent of the same user for example. What is
read from there counts only if it has the digests that the store's row has.
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

#: What may be written anew before the launch: it decides nothing.
_LEFT_OUT = "env_names"
#: Has a digest of its own: an earlier turn of the conversation that ends meanwhile changes it.
_RESUME = "resume"
SECURITY = "security"


def digests_of(document: bytes) -> Mapping[str, str]:
    """The digests of an accepted request, as it is written into a job's folder. Raises ValueError for what is no JSON object."""
    body = json.loads(document)
    if not isinstance(body, dict):
        raise ValueError("no JSON object")
    resume = body.pop(_RESUME, None)
    body.pop(_LEFT_OUT, None)
    return {"request": _digest(body), _RESUME: _digest(resume)}


def is_unchanged(job: Job, document: bytes) -> bool:
    """Whether this is the request that was accepted, but for how it enters its conversation. True: the row has no digest."""
    wanted = job.request_digests.get("request")
    return wanted is None or wanted == digests_of(document)["request"]


def enters_rightly(job: Job, document: bytes, resume: Resume, session: Session | None) -> bool:
    """Whether it enters its conversation as accepted, or continues what the conversation has become since."""
    wanted = job.request_digests.get(_RESUME)
    if wanted is None or wanted == digests_of(document)[_RESUME]:
        return True
    return session is not None and resume == Resume(native_id=session.native_id, fresh=False)


def changed(job: Job) -> Interrupted:
    """The error that ends a job whose request was changed."""
    message = f"the request of {job.id} in its folder is not the one that was accepted: somebody changed it"
    error = Interrupted(message, recovery="Find out what writes to the gateway's home, then send the request again.")
    error.notices = (Notice(code=SECURITY, message=f"Security: {message}. Nothing of the changed request was run."),)
    return error


def _digest(value: Any) -> str:
    return hashlib.sha256(
        json.dumps(value, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")
    ).hexdigest()
