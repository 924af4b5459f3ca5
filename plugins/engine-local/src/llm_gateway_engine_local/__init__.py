"""The engine of this machine: each run has a shim of its own, which outlives the gateway."""
