"""Proves that each installed CLI keeps what its plugin relies on."""
