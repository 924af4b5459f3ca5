"""Antigravity, the program `agy`. It is written after its documentation and public reports; it was not tested with the real program."""
