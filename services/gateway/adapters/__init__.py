"""The gateway's tables, tokens, live state and HTTP."""
