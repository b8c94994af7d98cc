"""Paid once: every image has one job, and each further one has a reason that nobody could help."""

from collections.abc import Sequence

from tests.chaos.system.evidence import Blow, Evidence, Key, Struck, Submit

#: Faults that take a render away from who ordered it, or hide that it was ordered.
LOSES = {
    "out_of_memory",
    "node_error",
    "vanish",
    "file_vanishes",
    "truncated_file",
    "no_output",
    "extra_output",
    "job_fails",
    "no_result",
    "fewer_images",
    "history_missed",
}
#: An endpoint has no key by which to ask whether it took a job whose answer was lost.
HIDES = {"drop_after"}
#: Blows after which an endpoint's answer may never have been written down: who got it died or froze with it,
#: or the database did not answer. Seconds before the blow in which a job was sent, and after it.
FORGETS = ("renderer", "database")
BEFORE, AFTER = 3.0, 3.0


def accounted(evidence: Evidence) -> list[str]:
    """Image by image: jobs beyond the first one of a round are what was lost of it."""
    broken = []
    for (key, round_), submits in evidence.by_image.items():
        reasons = losses(evidence, key, round_, submits)
        if len(submits) > 1 + len(reasons):
            said = f"{len(submits)} jobs, and lost were {reasons}"
            broken.append(f"{key} in round {round_} had {said}: {[each.prefix for each in submits]}")
    return broken


def after_its_end(evidence: Evidence) -> list[str]:
    """Nothing is ordered that is stored already."""
    broken = []
    for (key, round_), submits in evidence.by_image.items():
        for asset in evidence.owned.get(key, ()):
            late = [
                each for each in submits if each.at > asset.uploaded_at and "placeholder" not in asset.tags
            ]
            if late:
                after = late[0].at - asset.uploaded_at
                broken.append(f"{key} was ordered in round {round_} {after:.1f} s after it was stored")
    return broken


def of_nobody(evidence: Evidence) -> list[str]:
    """Every job was for an image that somebody asked for."""
    return [
        f"{each.backend} was paid for {each.prefix}, which nobody asked for"
        for each in evidence.submits
        if evidence.image_of(each.prefix) is None
    ]


def losses(evidence: Evidence, key: Key, round_: int, submits: Sequence[Submit]) -> list[str]:
    """Why there had to be further jobs, one reason for each."""
    struck = [each for each in evidence.struck if _strikes(evidence, each, key, round_, submits)]
    return [each.kind for each in struck] + [
        f"{blow.whom} {blow.kind}"
        for submit in submits
        if submit.serverless and (blow := _forgotten(evidence.blows, submit))
    ]


def _strikes(evidence: Evidence, each: Struck, key: Key, round_: int, submits: Sequence[Submit]) -> bool:
    if each.kind == "restart":
        return any(_was_there(submit, each) for submit in submits)
    mine = any(evidence.image_of(prefix) == (key, round_) for prefix in each.prefixes)
    hides = each.kind in HIDES and each.route == "/run"
    return mine and (each.kind in LOSES or hides)


def _was_there(submit: Submit, restart: Struck) -> bool:
    """Whether a server that restarted forgot this job."""
    ended = max((end for _, end in submit.runs if end is not None), default=None)
    known = submit.backend == restart.backend and submit.at <= restart.at
    return known and (ended is None or ended >= restart.at)


def _forgotten(blows: Sequence[Blow], submit: Submit) -> Blow | None:
    return next(
        (
            blow
            for blow in blows
            if blow.whom.startswith(FORGETS) and blow.at - BEFORE <= submit.at <= blow.until + AFTER
        ),
        None,
    )
