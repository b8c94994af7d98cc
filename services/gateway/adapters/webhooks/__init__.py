"""Calls to whoever wants to be called: kept, written down with what they tell, made, and logged."""
