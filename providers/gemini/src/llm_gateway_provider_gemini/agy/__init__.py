"""Antigravity, the program `agy`. Built from its documentation and public reports; it has not been run."""
