"""A small imitation agent for LLM Gateway, for demos and tests, and as an example of a provider."""
