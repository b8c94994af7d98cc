"""The whole embedded system, seen from outside: over HTTP, by the bus, and by what lies in storage."""
