"""All rulings together."""

from collections.abc import Callable, Mapping, Sequence

from tests.chaos.system.checker import ended, kept, letters, numbered, paid
from tests.chaos.system.evidence import Evidence

Ruling = Callable[[Evidence], list[str]]

PROMISES: Mapping[str, Sequence[Ruling]] = {
    "numbered once": (numbered.reservations, numbered.repetitions, numbered.gaps, numbered.mirrors),
    "always ends": (
        ended.images,
        ended.batches,
        ended.job_book,
        ended.outbox,
        ended.event_log,
        ended.refusals,
        ended.answers,
    ),
    "never overwritten": (kept.stored, kept.deleted, kept.strays, kept.foreign, kept.overwrites, kept.twins),
    "paid once": (paid.accounted, paid.after_its_end, paid.of_nobody),
}
#: What was told, and what was not taken: known only once, as it is taken out of the broker.
LETTERS: Mapping[str, Sequence[Ruling]] = {
    "always ends": (letters.dead, letters.waiting, letters.finished),
    "never overwritten": (letters.told,),
}


def by_records(evidence: Evidence) -> list[str]:
    """What storage, tables and logs show."""
    return _found(PROMISES, evidence)


def by_letters(evidence: Evidence) -> list[str]:
    """What the broker shows."""
    return _found(LETTERS, evidence)


def breaches(evidence: Evidence) -> list[str]:
    return by_records(evidence) + by_letters(evidence)


def _found(rulings: Mapping[str, Sequence[Ruling]], evidence: Evidence) -> list[str]:
    return [
        f"{promise}: {breach}"
        for promise, several in rulings.items()
        for each in several
        for breach in each(evidence)
    ]
