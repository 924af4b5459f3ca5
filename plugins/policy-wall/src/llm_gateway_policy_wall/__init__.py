"""Runs every agent inside bubblewrap, which limits the files it can read and write and the hosts it can reach."""
