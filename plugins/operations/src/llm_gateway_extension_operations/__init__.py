"""What callers can do beside asking a provider: jobs, sessions, approvals, programs, health."""
