"""The command `llm-gateway demo`. It is no plugin: it implements no hook."""
