"""Gemini CLI, the program `gemini`."""
