"""Sessions on disk: one file each, mode 0600, replaced atomically. Of two writers the last one wins, as with real agents."""

import json
import os
import time

from llm_gateway_provider_echo.agent.events import Failed

CACHE_TTL_S = 300.0  #: after this time without a turn, the imitated prompt cache no longer holds the conversation
BLOCK = 4  #: tokens; a cache keeps complete blocks
#: Invented prices in dollars for a million tokens: new input, output, read from the cache, written to the cache.
PRICES = {"echo-1": (1.00, 5.00, 0.10, 1.25), "echo-1-mini": (0.20, 1.00, 0.02, 0.25)}


def home() -> str:
    """Return the folder of the sessions."""
    configured = os.environ.get("LLM_GATEWAY_ECHO_HOME")
    if configured:
        return configured
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    if not os.path.isabs(state):
        raise Failed("failed", "no home directory is known: set HOME, or LLM_GATEWAY_ECHO_HOME")
    return os.path.join(state, "llm-gateway-echo")


def is_session_id(text: str) -> bool:
    """Return whether this is a UUID. Nothing else may become a file name."""
    parts = text.split("-")
    return [len(part) for part in parts] == [8, 4, 4, 4, 12] and all(c in "0123456789abcdef" for c in "".join(parts))


def tokens(text: str) -> int:
    """Return the number of tokens, four bytes each."""
    return (len(text.encode("utf-8", "surrogatepass")) + 3) // 4


class Conversation:
    """The turns of one session."""

    def __init__(self, session_id: str) -> None:
        if not is_session_id(session_id):
            raise Failed("session_not_found", f"{session_id!r} is not a session id")
        self.id = session_id
        self.turns: list[list[str]] = []  #: [prompt, answer], oldest first
        self.warm = False
        self._path = os.path.join(home(), "sessions", f"{session_id}.json")

    def begin(self) -> None:
        """Store the session without turns, so that it can be resumed even if the first turn fails."""
        os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
        if os.path.exists(self._path):
            raise Failed("session_exists", f"session {self.id} is already in use")
        self._save()

    def load(self) -> None:
        """Read the session from its file."""
        try:
            with open(self._path, encoding="utf-8") as file:
                self.turns = json.load(file)["turns"]
                self.warm = bool(self.turns) and time.time() - os.fstat(file.fileno()).st_mtime < CACHE_TTL_S
        except FileNotFoundError:
            raise Failed("session_not_found", f"no conversation found with session id {self.id}") from None

    def add(self, prompt: str, answer: str) -> None:
        """Store a finished turn."""
        self.turns.append([prompt, answer])
        self._save()

    def usage(self, prompt: str, answer: str, model: str) -> dict[str, object]:
        """Return the usage of the next turn: it reads what the cache holds, and writes new complete blocks to it."""
        earlier = sum(tokens(text) for turn in self.turns for text in turn)
        total = earlier + tokens(prompt)
        read = earlier // BLOCK * BLOCK if self.warm else 0
        written = total // BLOCK * BLOCK - read
        fresh, output = total - read - written, tokens(answer)
        counts = (fresh, output, read, written)
        cost = sum(count * price for count, price in zip(counts, PRICES[model], strict=True)) / 1e6
        names = ("inputTokens", "outputTokens", "cacheReadTokens", "cacheCreationTokens")
        return {**dict(zip(names, counts, strict=True)), "costUsd": round(cost, 9)}

    def _save(self) -> None:
        draft = f"{self._path}.{os.getpid()}"
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump({"schema": 1, "turns": self.turns}, file)
        os.replace(draft, self._path)
