"""Every run inside bubblewrap: what it may see, write and reach is decided outside of it."""
