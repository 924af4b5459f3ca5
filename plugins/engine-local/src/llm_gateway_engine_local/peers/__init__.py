"""The gateways that share one home: leases and notifications."""
