"""How messages travel: `async def on_x(message, *, ports) -> Sequence[Message]`; the bus publishes what is
returned, then acknowledges."""
