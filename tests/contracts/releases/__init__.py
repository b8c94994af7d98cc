"""Golden bodies as each release left them, one folder for each: what may still lie in queues, outboxes and
dead letters when the next one reads them. What stands there is never changed.

A new release (`version` in pyproject.toml) begins with a copy: its folder gets every file of `golden`, an
`envelope.json`, and a `SHA256SUMS` (`sha256sum *.json > SHA256SUMS`).
"""
