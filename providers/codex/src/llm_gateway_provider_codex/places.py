"""Where Codex stores its login, settings and conversations."""

PRIVATE = ("$CODEX_HOME", "$CODEX_SQLITE_HOME", "~/.codex")
