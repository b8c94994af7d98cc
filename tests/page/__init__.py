"""The web page in a real browser, before the whole system."""
