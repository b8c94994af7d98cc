"""Who wants what, drawn from a seed: batches of many sizes by HTTP and by message, and their fates."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tests.chaos.system.evidence import Asked

USERS = ("Areg", "Mira", "Tomas", "Ines", "Noor")
#: Names and slugs of the characters that each user registers, and of the one that all of them use.
OWN = (("Iron Lily", "iron-lily"), ("Night Heron", "night-heron"))
SHARED = ("Opal Fever", "opal-fever")
SMALL = {"width": 64, "height": 64, "workflow": "portrait", "parameters": {"steps": 4}}

#: Words at which the stand-ins are told to fail, in the first round or always.
STORM, TEMPEST = "thunderstorm", "tempest"
PROMPTS = {"never": "opal light", "first": f"opal light in a {STORM}", "always": f"opal light in a {TEMPEST}"}

Afterwards = Literal["nothing", "cancel", "cancel and retry", "retry", "delete"]
#: How many of a hundred batches fare so; the rest are made and left alone.
FATES: Sequence[tuple[int, Literal["never", "first", "always"], Afterwards]] = (
    (8, "never", "cancel"),
    (5, "never", "cancel and retry"),
    (8, "first", "retry"),
    (3, "first", "nothing"),
    (3, "always", "retry"),
    (3, "always", "delete"),
    (8, "never", "delete"),
)


@dataclass(frozen=True)
class Character:
    id: str
    name: str
    slug: str
    collection: str


@dataclass(frozen=True)
class Wish:
    """A batch that one user wants, and what he does afterwards."""

    number: int
    username: str
    character: Character
    quantity: int
    by: Literal["http", "message"]
    fails: Literal["never", "first", "always"]
    afterwards: Afterwards
    on_failure: Literal["placeholder", "omit"]
    #: Sent a second time, as somebody does who does not know whether the first time counted.
    twice: bool
    #: Seconds between the wish and a cancel.
    patience: float
    #: Seconds that the caller waits for the end in one call, if he does.
    prefers: int | None

    def body(self) -> dict[str, Any]:
        return {
            "prompt": PROMPTS[self.fails],
            "quantity": self.quantity,
            "on_failure": self.on_failure,
            "seed": 1000 * self.number,
            **SMALL,
        }

    def message(self, batch_id: str) -> dict[str, Any]:
        """What puts the same wish on the exchange."""
        character = {
            "id": self.character.id,
            "name": self.character.name,
            "collection": self.character.collection,
        }
        return {
            "batch_id": batch_id,
            "username": self.username,
            "character": character,
            **self.body(),
        }

    def asked(self, batch_id: str) -> Asked:
        """What the checker is to know of it."""
        return Asked(
            batch_id=batch_id,
            username=self.username,
            folder=f"{self.username}/{self.character.collection}/{self.character.slug}/images",
            stem=f"{self.username}_{self.character.slug}_image_",
            quantity=self.quantity,
            by=self.by,
            fails=self.fails,
            on_failure=self.on_failure,
        )


def wishes(dice: random.Random, images: int, characters: Sequence[tuple[str, Character]]) -> list[Wish]:
    """Batches of so many images in all; `characters` are pairs of a user and a character he may use."""
    found: list[Wish] = []
    while (rest := images - sum(wish.quantity for wish in found)) > 0:
        found.append(_wish(dice, len(found), min(rest, _size(dice, images)), characters))
    return found


def _size(dice: random.Random, images: int) -> int:
    """Mostly a few, now and then many: none more than a tenth of all."""
    few, some, many = dice.randint(1, 6), dice.randint(7, 15), dice.randint(16, 120)
    return min(dice.choices((few, some, many), (12, 5, 1))[0], max(1, images // 10))


def _wish(
    dice: random.Random, number: int, quantity: int, characters: Sequence[tuple[str, Character]]
) -> Wish:
    username, character = dice.choice(characters)
    fails, afterwards = _fate(dice, number)
    return Wish(
        number=number,
        username=username,
        character=character,
        quantity=quantity,
        by=dice.choice(("http", "message")),
        fails=fails,
        afterwards=afterwards,
        on_failure=dice.choice(("placeholder", "placeholder", "omit")),
        twice=dice.random() < 0.15,
        patience=dice.uniform(0.2, 3.0),
        prefers=dice.choice((None, None, None, 2)),
    )


def _fate(dice: random.Random, number: int) -> tuple[Literal["never", "first", "always"], Afterwards]:
    """Each kind of fate is met at least once among the first wishes, also in a short run."""
    if number % 3 == 1 and number // 3 < len(FATES):
        return FATES[number // 3][1:]
    drawn = dice.randrange(100)
    for share, fails, afterwards in FATES:
        if drawn < share:
            return fails, afterwards
        drawn -= share
    return "never", "nothing"
