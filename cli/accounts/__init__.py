"""The users of broker and database: made, given their passwords, and kept to what is theirs."""
