"""What one client knows of a batch from its stream, so that it is told what is new and little else."""

from collections.abc import Collection, Sequence

from contracts.transient import RenderProgress
from services.gateway.adapters.http import views
from services.gateway.adapters.http.orders import Known
from services.gateway.adapters.http.shapes import ImageShape, StandingShape, StepShape
from services.gateway.adapters.stage import LiveStage
from services.gateway.domain.batches import count
from services.gateway.domain.images import ENDED, ImageState
from services.gateway.ports import Summary


class Told:
    """Holds a number and the last step of each image that has not ended, and nothing of those that have."""

    def __init__(self, stage: LiveStage, known: Known) -> None:
        self._stage = stage
        self._standing: object = None
        self._steps: dict[int, RenderProgress] = {}
        self._learn(known)

    def whole(self, known: Known) -> None:
        """The batch with all of its images is told now."""
        self._learn(known)
        self._steps = self._heard()
        self._standing = _key(views.standing(self._summary, self._steps.values()))

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

    def standing(self) -> StandingShape | None:
        """How the batch stands, if that was not told."""
        standing = views.standing(self._summary, self._heard().values())
        if _key(standing) == self._standing:
            return None
        self._standing = _key(standing)
        return standing

    def steps(self, ordinals: Collection[int]) -> list[StepShape]:
        """How far these renders are, where that was not told."""
        heard = {ordinal: each for ordinal, each in self._heard().items() if ordinal in ordinals}
        fresh = {ordinal: each for ordinal, each in heard.items() if each != self._steps.get(ordinal)}
        self._steps |= fresh
        return [views.step(fresh[ordinal]) for ordinal in sorted(fresh)]

    def image(self, image: ImageState) -> ImageShape:
        return views.image(image, self._progress, self._summary.batch)

    def _learn(self, known: Known) -> None:
        batch, images = known
        self._rounds: dict[int, int] = {}
        self.learn(Summary(batch, count(images)), images)

    def _progress(self, ordinal: int, round_: int) -> RenderProgress | None:
        return self._stage.progress(self._summary.batch.request.batch_id, ordinal, round_)

    def _heard(self) -> dict[int, RenderProgress]:
        heard = ((ordinal, self._progress(ordinal, round_)) for ordinal, round_ in self._rounds.items())
        return {ordinal: each for ordinal, each in heard if each is not None}


def _key(standing: StandingShape) -> object:
    # The share of work moves with every step; those are told as what they are.
    return standing.status, standing.indexes, standing.progress.done
