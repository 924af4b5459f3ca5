"""The process that owns one run, and the fork server that starts it. Standard library and `llm_gateway.files` and `.leases` only."""
