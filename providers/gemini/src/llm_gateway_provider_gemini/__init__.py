"""Gemini CLI and Antigravity for LLM Gateway, under one name."""
