"""Stand-ins that speak the real protocols of the outside services over real HTTP and WebSocket."""
