"""The whole system as a state machine: its real domain and adapters, and death between any two steps."""
