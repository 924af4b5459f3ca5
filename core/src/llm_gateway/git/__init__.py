"""Safe calls of git, for repositories that are not trusted. All functions block: call them in a thread.

Git runs programs that its configuration names: filters, file system monitors, hooks, external diffs, transports. A repository
contains configuration in many files (`.git/config`, `config.worktree`, included files, files of submodules), and can change it
between a check and a use. So git never reads that configuration here. `GIT_DIR` is a temporary directory with a configuration
that the gateway writes. Only the repository's objects, references, index and exclude file are linked into it.
"""

from llm_gateway.git.discovery import GitError, Place, find_place
from llm_gateway.git.repository import Repository, open_repository, open_scratch

__all__ = ["GitError", "Place", "Repository", "find_place", "open_repository", "open_scratch"]
