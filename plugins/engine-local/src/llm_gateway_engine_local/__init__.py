"""The engine of this machine: each run has a keeper of its own, which outlives the gateway."""
