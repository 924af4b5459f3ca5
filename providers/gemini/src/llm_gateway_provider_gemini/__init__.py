"""Gemini CLI and Antigravity for LLM Gateway, as one provider."""
