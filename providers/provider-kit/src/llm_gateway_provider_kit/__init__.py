"""What providers share: see `failures`, `waiting` and `lines`."""
