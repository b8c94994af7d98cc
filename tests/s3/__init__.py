"""An S3-compatible store over real HTTP, and a gate before it that can misbehave."""
