"""The user's own settings of each program."""
