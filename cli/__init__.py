"""`darkroom`: what people type. Sees the house from outside: over HTTP, or as the starter of the system."""
