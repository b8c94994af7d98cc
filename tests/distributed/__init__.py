"""The same four services as separate processes, several of each, on a real broker and a real database."""
