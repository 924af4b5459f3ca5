"""A small imitation agent for LLM Gateway: for demos, tests, and as the worked example of a provider."""
