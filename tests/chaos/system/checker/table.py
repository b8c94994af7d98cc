"""What a run came to, as a table for people."""

from collections import Counter

from tests.chaos.system.checker import kept, numbered, paid
from tests.chaos.system.checker.judgement import breaches
from tests.chaos.system.evidence import Evidence


def table(evidence: Evidence) -> str:
    """Every figure is counted from the evidence, none is taken from the system's own word."""
    status = Counter(row["status"] for row in evidence.images.values())
    accepted = sum(asked.quantity for asked in evidence.asked)
    by = Counter[str](asked.by for asked in evidence.asked)
    rows: dict[str, object] = {
        "accepted": f"{accepted} images in {len(evidence.asked)} batches ({_spread(by)})",
        "stored": status["succeeded"],
        "placeholders": status["placeholder"],
        "failed": status["failed"],
        "cancelled": status["canceled"],
        "deleted": status["deleted"] + status["discarded"],
        "lost": sum(key not in evidence.images for asked in evidence.asked for key in asked.keys),
        "duplicates": len(numbered.repetitions(evidence)) + len(kept.twins(evidence)),
        "overwrites": f"{len(kept.overwrites(evidence)) + len(kept.foreign(evidence))}"
        f" (placeholders that gave way to their own image: {_gave_way(evidence)})",
        "moved": f"{len(evidence.tables['indexer.reassignments'])} images, whose number others had taken",
        "refused, dead letters": f"{len(evidence.refused)}, {len(evidence.dead)}"
        f" ({len(evidence.hopeless)} planted)",
        "jobs an image and round": _spread(Counter(len(each) for each in evidence.by_image.values())),
        "renders an image and round": _spread(
            Counter(sum(_renders(job.runs) for job in each) for each in evidence.by_image.values())
        ),
        "further jobs, by reason": _spread(_reasons(evidence)) or "none",
        "blows": _spread(Counter(f"{blow.whom} {blow.kind}" for blow in evidence.blows)),
        "faults of the stand-ins": _spread(Counter(each.kind for each in evidence.struck)),
        "breaches": len(breaches(evidence)),
    }
    return "\n" + "\n".join(f"{name:>28}  {value}" for name, value in rows.items())


def _spread(counts: Counter[int] | Counter[str]) -> str:
    return ", ".join(
        f"{name}: {count}" for name, count in sorted(counts.items(), key=lambda each: str(each[0]))
    )


def _renders(runs: tuple[tuple[float, float | None], ...]) -> int:
    """Runs that came to their end."""
    return sum(end is not None for _, end in runs)


def _gave_way(evidence: Evidence) -> int:
    return sum(asset.overwrites for asset in evidence.lying.values() if asset.owner)


def _reasons(evidence: Evidence) -> Counter[str]:
    return Counter(
        reason
        for (key, round_), submits in evidence.by_image.items()
        if len(submits) > 1
        for reason in paid.losses(evidence, key, round_, submits)
    )
