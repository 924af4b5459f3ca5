"""What callers can do beside asking a provider: jobs and the gateway's health."""
