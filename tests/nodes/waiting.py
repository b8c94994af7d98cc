"""Waiting for a condition in a test that runs no event loop."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Fails the test when the condition does not hold within these seconds."""
    last = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < last, f"still not so after {seconds:g} s"
        time.sleep(0.02)
