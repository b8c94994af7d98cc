"""When a command that nobody answered is sent again."""

from collections.abc import Collection

from contracts.commands import RetryImages

#: Seconds without any event about it before a command is sent again, and the longest such wait.
FIRST = 15 * 60.0
LONGEST = 6 * 3600.0


def next_send(sent_at: float, sends: int) -> float:
    """When a command that was sent `sends` times, last at `sent_at`, is due again."""
    return sent_at + min(FIRST * 2.0 ** max(sends - 1, 0), LONGEST)


def answered(retry: RetryImages, waiting: Collection[int]) -> bool:
    """Whether every image that the retry names has ended; `waiting` are the ordinals that have not. An image
    has no later round than the batch's last retry, so what ended did so in that round or a later one."""
    return not set(retry.ordinals) & set(waiting)


def quiet_until(last_event_at: float | None, now: float) -> float | None:
    """A later moment to look again, if something was heard about the command's batch lately."""
    if last_event_at is None or last_event_at + FIRST <= now:
        return None
    return last_event_at + FIRST
