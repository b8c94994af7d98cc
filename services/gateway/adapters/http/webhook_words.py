"""The words that a webhook's filter may hold."""

from typing import Literal

#: Our events, and the words that clients of Replicate's API know.
EventWord = Literal[
    "batch.started",
    "batch.completed",
    "image.completed",
    "image.failed",
    "image.deleted",
    "start",
    "output",
    "completed",
]
#: Words of one filter; more than there are can only repeat themselves.
MOST_WORDS = 20
