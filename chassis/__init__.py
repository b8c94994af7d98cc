"""How a process lives: settings, logs, health and metrics, database, blobs, accounts, run loop. It knows no
message of a service's trade and no service."""
