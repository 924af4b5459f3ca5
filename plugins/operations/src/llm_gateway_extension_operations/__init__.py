"""The operations in addition to provider requests: jobs, sessions, approvals, programs, health."""
