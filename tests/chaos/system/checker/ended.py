"""Always ends: each number of each accepted batch is an image, a placeholder that says why, a recorded
failure or a cancellation that somebody asked for, and every record agrees."""

import json
from collections import defaultdict
from collections.abc import Mapping

from tests.chaos.system.evidence import Asked, Evidence, Key, Row

GONE = {"deleted", "discarded"}
WITHOUT_A_PICTURE = {"placeholder", "failed", "canceled"}
#: What may follow what in the event log within one round, by rank; a retry begins anew.
DONE = {"succeeded", *GONE}


def images(evidence: Evidence) -> list[str]:
    """Each is there, has ended as it may, and says why where there is no picture."""
    broken = []
    for asked in evidence.asked:
        for key in asked.keys:
            row = evidence.images.get(key)
            if row is None:
                broken.append(f"{key} is lost: it was accepted, and readers know nothing of it")
            elif row["status"] not in (may := _ends(asked, key[1])):
                broken.append(f"{key} is {row['status']}, and may be {sorted(may)}")
            elif row["status"] in WITHOUT_A_PICTURE and not _reason(row):
                broken.append(f"{key} is {row['status']} and does not say why")
    surplus = evidence.images.keys() - {key for asked in evidence.asked for key in asked.keys}
    return broken + [
        f"{key} was never asked for" for key in sorted(surplus) if key[0] not in evidence.refused
    ]


def batches(evidence: Evidence) -> list[str]:
    """Each is known, whole and finished."""
    rows = {row["batch_id"]: row for row in evidence.tables["gateway.batches"]}
    broken = []
    for asked in evidence.asked:
        row = rows.get(asked.batch_id)
        if row is None:
            broken.append(f"batch {asked.batch_id} is lost")
        elif row["finished_at"] is None:
            broken.append(f"batch {asked.batch_id} never finished")
        elif (row["quantity"], row["username"]) != (asked.quantity, asked.username):
            broken.append(f"batch {asked.batch_id} is kept as {row['quantity']} images of {row['username']}")
    return broken


def job_book(evidence: Evidence) -> list[str]:
    """Every row has ended and was announced; every image has one for each round that was asked for."""
    rows = evidence.tables["renderer.jobs"]
    broken = [
        f"job {_job(row)} is {row['state']}, announced: {row['announced']}"
        for row in rows
        if row["ended_at"] is None or not row["announced"]
    ]
    rounds: dict[Key, set[int]] = defaultdict(set)
    for row in rows:
        rounds[row["batch_id"], row["ordinal"]].add(row["round"])
    return broken + [
        f"{key} has jobs in rounds {sorted(rounds[key])}, and readers see round {image['round']}"
        for key, image in evidence.images.items()
        if not {1, image["round"]} <= rounds[key]
    ]


def outbox(evidence: Evidence) -> list[str]:
    """Every command was answered."""
    return [
        f"{row['route']} of {row['batch_id']} is never answered" for row in evidence.tables["gateway.outbox"]
    ]


def event_log(evidence: Evidence) -> list[str]:
    """What was told of an image ends with what is so, was never taken back, and came after its bytes."""
    log: dict[Key, list[Row]] = defaultdict(list)
    for row in sorted(evidence.tables["gateway.changes"], key=lambda row: int(row["id"])):
        body = json.loads(row["body"])
        if row["kind"] == "image":
            log[row["batch_id"], body["ordinal"]].append({**body, "at": row["at"]})
    broken = []
    for key, image in evidence.images.items():
        said = [_word(entry["status"]) for entry in log[key]]
        if said[-1:] != [_word(image["status"])]:
            broken.append(f"{key} is {image['status']}, and the event log ends with {said[-1:]}")
        first = next((place for place, word in enumerate(said) if word in DONE), len(said))
        if not set(said[first:]) <= DONE:
            broken.append(f"{key} was told as {said}")
        broken += _too_early(evidence, key, log[key])
    return broken


def refusals(evidence: Evidence) -> list[str]:
    """What nobody can do was refused, with a reason, and has no image."""
    rows = {row["batch_id"]: row for row in evidence.tables["gateway.batches"]}
    return [
        f"{batch_id} had to be refused, and is {dict(rows.get(batch_id, {}))}"
        for batch_id in sorted(evidence.refused)
        if not rows.get(batch_id, {}).get("rejected")
    ]


def answers(evidence: Evidence) -> list[str]:
    """No caller met an error of ours."""
    return list(evidence.answers)


def _job(row: Row) -> str:
    return f"{row['batch_id']}/{row['ordinal']}/{row['round']}"


def _ends(asked: Asked, ordinal: int) -> set[str]:
    if ordinal in asked.deleted:
        return GONE
    blank = "placeholder" if asked.on_failure == "placeholder" else "failed"
    if asked.fails == "always" or (asked.fails == "first" and not asked.retried):
        return {blank, "canceled"} if asked.cancelled else {blank}
    return {"succeeded", "canceled"} if asked.cancelled and not asked.retried else {"succeeded"}


def _word(status: str) -> str:
    """As people hear it: a placeholder that was deleted is deleted, too."""
    return "deleted" if status in GONE else status


def _reason(row: Row) -> str:
    failure: Mapping[str, str] = json.loads(row["failure"] or "{}")
    return failure.get("code", "") and failure.get("detail", "")


def _too_early(evidence: Evidence, key: Key, log: list[Row]) -> list[str]:
    told = next((entry["at"] for entry in log if entry["status"] == "succeeded"), None)
    lies = [asset.uploaded_at for asset in evidence.owned.get(key, ())]
    if told is None or not lies or told >= min(lies):
        return []
    return [f"{key} was told as stored {min(lies) - told:.3f} s before it was"]
