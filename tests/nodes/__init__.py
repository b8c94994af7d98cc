"""The tests' own broker and database: started for a run, private to it, gone with it."""
