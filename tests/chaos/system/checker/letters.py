"""What the broker tells: of messages nobody could take, of those nobody took, and of what was announced."""

from collections import Counter

from tests.chaos.system.evidence import Evidence


def dead(evidence: Evidence) -> list[str]:
    """Every dead letter was hopeless from the beginning, and everything hopeless is among them."""
    found = {body for _, body in evidence.dead}
    lost = [f"{body!r} was hopeless, and is not among the dead letters" for body in evidence.hopeless - found]
    return lost + [
        f"{queue} has a dead letter that should have lived: {body[:300]!r}"
        for queue, body in evidence.dead
        if body not in evidence.hopeless
    ]


def waiting(evidence: Evidence) -> list[str]:
    return [f"{size} messages wait in {queue}" for queue, size in evidence.waiting.items()]


def finished(evidence: Evidence) -> list[str]:
    """Of every batch was said how it ended, and what was said last is so."""
    broken = []
    for asked in evidence.asked:
        said = evidence.finished.get(asked.batch_id, ())
        now = Counter(evidence.images[key]["status"] for key in asked.keys if key in evidence.images)
        kept = [ordinal for ordinal in range(asked.quantity) if ordinal not in asked.deleted]
        true = {ordinal: evidence.images.get((asked.batch_id, ordinal), {}).get("status") for ordinal in kept}
        told = [
            {each["ordinal"]: each["status"] for each in one["results"] if each["ordinal"] in true}
            for one in said
        ]
        if true not in told:
            broken.append(f"batch {asked.batch_id} is {dict(now)}, of which nobody was told: {told}")
    return broken


def told(evidence: Evidence) -> list[str]:
    """Of every picture one name and one MD5 was told, however often."""
    return [
        f"of {key} was told {sorted(evidence.told.get(key, ()))}, and it is {asset.public_id} ({asset.md5})"
        for key, image in evidence.images.items()
        if image["status"] == "succeeded"
        for asset in evidence.owned.get(key, ())[:1]
        if set(evidence.told.get(key, ())) != {(asset.public_id, asset.md5)}
    ]
