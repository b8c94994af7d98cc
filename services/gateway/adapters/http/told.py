"""What one client knows of a batch from its stream, so that it is told what is new and little else."""

from collections.abc import Collection, Mapping, Sequence

from contracts.transient import RenderProgress
from services.gateway.adapters.http import views
from services.gateway.adapters.http.orders import Known
from services.gateway.adapters.http.shapes import StandingShape
from services.gateway.adapters.stage import LiveStage
from services.gateway.domain.batches import count
from services.gateway.domain.images import ENDED, ImageState
from services.gateway.ports import Summary


class Told:
    """Holds a number and the last step of each image that has not ended, and nothing of those that have."""

    def __init__(self, stage: LiveStage, known: Known) -> None:
        self._stage = stage
        self._standing: StandingShape | None = None
        self._steps: dict[int, RenderProgress] = {}
        self._learn(known)

    def whole(self, known: Known, steps: Mapping[int, RenderProgress]) -> None:
        """The batch with all of its images was told, with these steps of its renders."""
        self._learn(known)
        self._steps = {ordinal: each for ordinal, each in steps.items() if ordinal in self._rounds}
        self._standing = views.standing(self._summary, self._steps.values())

    def learn(self, summary: Summary, images: Sequence[ImageState]) -> None:
        """So things are now, for the questions below."""
        self._summary = summary
        for image in images:
            if image.status in ENDED:
                self._rounds.pop(image.ordinal, None)
                self._steps.pop(image.ordinal, None)
            else:
                self._rounds[image.ordinal] = image.round

    @property
    def finished(self) -> bool:
        return self._summary.batch.finished_at is not None

    @property
    def open(self) -> Collection[int]:
        """Ordinals of the images that have not ended."""
        return self._rounds.keys()

    @property
    def queued(self) -> bool:
        """Whether the client believes that no image was begun yet."""
        return self._standing is None or self._standing.status == "queued"

    def standing(self) -> StandingShape:
        """How the batch stands now."""
        heard = (self._progress(ordinal, round_) for ordinal, round_ in self._rounds.items())
        return views.standing(self._summary, [each for each in heard if each is not None])

    def is_news(self, standing: StandingShape) -> bool:
        """Whether that was not told; from here on it was."""
        known, self._standing = self._standing, standing
        return known is None or _key(known) != _key(standing)

    def steps(self, ordinals: Collection[int]) -> list[RenderProgress]:
        """How far these renders are, where that was not told."""
        rounds = {each: self._rounds[each] for each in sorted(ordinals) if each in self._rounds}
        heard = ((ordinal, self._progress(ordinal, round_)) for ordinal, round_ in rounds.items())
        fresh = {ordinal: each for ordinal, each in heard if each and each != self._steps.get(ordinal)}
        self._steps |= fresh
        return list(fresh.values())

    def _learn(self, known: Known) -> None:
        batch, images = known
        self._rounds: dict[int, int] = {}
        self.learn(Summary(batch, count(images)), images)

    def _progress(self, ordinal: int, round_: int) -> RenderProgress | None:
        return self._stage.progress(self._summary.batch.request.batch_id, ordinal, round_)


def _key(standing: StandingShape) -> object:
    # The share of work moves with every step; those are told as what they are.
    return standing.status, standing.indexes, standing.progress.done
