"""What three sources say of one folder's numbers, and what follows where they disagree. Pure."""

from collections.abc import Collection
from dataclasses import dataclass

from messaging.errors import PermanentError
from services.indexer.domain import Contents, first_free


@dataclass(frozen=True)
class Standing:
    """One folder: its next number by the indexer (None where it was never seen), and what storage holds."""

    folder: str
    counter: int | None
    contents: Contents
    #: What index.txt must say by now: the counter of a moment before the file was read.
    due: int

    @property
    def raised(self) -> int:
        """The counter as it must at least be. Raises PermanentError where storage's numbers are damage."""
        return max(self.counter or 1, first_free(self.contents))

    @property
    def damage(self) -> str | None:
        """Why only a person can put it right; None where nobody has to guess."""
        try:
            first_free(self.contents)
        except PermanentError as why:
            return str(why)
        return None


@dataclass(frozen=True)
class Disagreement:
    """What differs, what it means, and what to do about it."""

    says: str
    means: str
    advice: str


def disagreements(standing: Standing) -> list[Disagreement]:
    """None where all is well. So is a folder that nobody has counted in: it is adopted when first used."""
    if standing.damage:
        return [_damage(standing.damage)]
    if standing.counter is None:
        return []
    found = (_behind_images(standing), _missing(standing), _behind_mirror(standing), _old_mirror(standing))
    return [one for one in found if one]


def in_words(standing: Standing, found: Collection[Disagreement]) -> str:
    """One folder, as it is shown."""
    mirror = "none" if standing.contents.mirror is None else str(standing.contents.mirror)
    counter = "never seen" if standing.counter is None else str(standing.counter)
    lines = [
        f"{standing.folder}",
        f"  counter {counter}, index.txt {mirror}, highest image {standing.contents.highest or 'none'}"
        + ("" if found else ": agree" if standing.counter else ": adopted when first used"),
    ]
    for one in found:
        lines += [f"  ✗ {one.says}", f"    means: {one.means}", f"    do:    {one.advice}"]
    return "\n".join(lines)


def _behind_images(standing: Standing) -> Disagreement | None:
    if (standing.counter or 0) > standing.contents.highest:
        return None
    return Disagreement(
        f"image {standing.contents.highest} lies in storage, and the counter would give that number again",
        "the counters were restored from a backup or set back, or somebody uploaded by hand; nothing is "
        "overwritten then, but each image that meets a taken number costs a listing before it gets another",
        f"darkroom counters adopt {standing.folder}",
    )


def _behind_mirror(standing: Standing) -> Disagreement | None:
    mirror = standing.contents.mirror
    if mirror is None or mirror <= (standing.counter or 0):
        return None
    return Disagreement(
        f"index.txt says {mirror}, and the counter is only at {standing.counter}",
        "numbers up to there may be promised: the counters were restored from a backup, or another "
        "program or a person wrote the file",
        f"where the file is right, darkroom counters adopt {standing.folder} (numbers are skipped, none is "
        "used twice); where a person wrote nonsense, correct the file first",
    )


def _missing(standing: Standing) -> Disagreement | None:
    if standing.contents.mirror is not None:
        return None
    return Disagreement(
        "index.txt is missing or holds no number",
        "no uploader has written it yet, or somebody deleted it; numbering does not depend on it",
        f"start an uploader and wait a minute, or darkroom counters adopt {standing.folder}",
    )


def _old_mirror(standing: Standing) -> Disagreement | None:
    mirror = standing.contents.mirror
    if mirror is None or mirror >= standing.due:
        return None
    return Disagreement(
        f"index.txt says {mirror}, and the counter is already at {standing.counter}",
        "no uploader runs, or storage does not take its writes; numbering does not depend on the file",
        f"look again in a minute; if it stays, darkroom counters adopt {standing.folder}",
    )


def _damage(why: str) -> Disagreement:
    return Disagreement(
        why,
        "a name or a file in storage claims a number that cannot be right, so none is guessed",
        "a person has to put it right in the Media Library; then look again",
    )
