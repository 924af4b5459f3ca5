"""The one way to call git, for repositories that nobody trusts. Everything here blocks: call it in a thread.

Git runs programs that its configuration names: filters, file system monitors, hooks, external diffs, transports. A repository
brings its own configuration, in more places than can be listed (`.git/config`, `config.worktree`, included files, a submodule's
own), and may change it between a check and a use. So git never reads it here. It is given a directory of ours as `GIT_DIR`, with
our own configuration; only the repository's objects, references, index and exclude file are linked into it.
"""

from llm_gateway.git.places import GitError, Place, find_place
from llm_gateway.git.repository import Repository, open_repository, open_scratch

__all__ = ["GitError", "Place", "Repository", "find_place", "open_repository", "open_scratch"]
