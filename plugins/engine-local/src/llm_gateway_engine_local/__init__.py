"""The engine that runs jobs on this machine. Each run has its own shim process, which outlives the gateway."""
