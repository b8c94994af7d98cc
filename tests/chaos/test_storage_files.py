"""The judge of the uploads finds every breach that is planted."""

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.chaos.storage_files import Account, Asset, broken, right_mirrors

FOLDER = "Areg/characters/opal-fever/images"
FOREIGN = f"{FOLDER}/Areg_opal-fever_image_2"


def name(index: int) -> str:
    return f"{FOLDER}/Areg_opal-fever_image_{index}"


def image(index: int, ordinal: int, data: bytes) -> Asset:
    context = {"batch": "b1", "ordinal": str(ordinal), "index": str(index)}
    return Asset("image", name(index), 0, context, data)


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def whole() -> Account:
    """Two images; the second one's number was taken, so that it moved to the third."""
    first, second = image(1, 0, b"first"), image(3, 1, b"second")
    theirs = Asset("image", FOREIGN, 1, {}, b"theirs")
    mirror = Asset("raw", f"{FOLDER}/index.txt", 4, {}, b"4")
    return Account(
        assets=[first, second, theirs, mirror],
        ledger=[
            {
                "batch_id": "b1",
                "ordinal": ordinal,
                "state": "stored",
                "public_id": asset.public_id,
                "md5": asset.md5,
                "placeholder": False,
            }
            for ordinal, asset in enumerate((first, second))
        ],
        counters={FOLDER: 4},
        rendered={("b1", 0): md5(b"first"), ("b1", 1): md5(b"second")},
        foreign={FOREIGN: md5(b"theirs")},
        stored={
            ("b1", 0): {(name(1), "https://a", md5(b"first"))},
            ("b1", 1): {(name(3), "https://b", md5(b"second"))},
        },
    )


def lying(*changes: tuple[int, Asset | None]) -> Account:
    """As it should be, but for the assets at these places."""
    assets: dict[int, Asset | None] = dict(enumerate(whole().assets))
    assets.update(changes)
    return replace(whole(), assets=[asset for asset in assets.values() if asset])


def test_what_is_as_it_should_be_is_not_blamed() -> None:
    assert broken(whole()) == []
    assert right_mirrors(whole()) == 1


@pytest.mark.parametrize(
    ("account", "word"),
    [
        (lambda: lying((0, None)), "lies in 0 assets"),
        (lambda: lying((9, image(5, 0, b"first"))), "lies in 2 assets"),
        (lambda: lying((0, image(1, 0, b"second"))), "with other bytes"),
        (lambda: lying((1, replace(image(2, 1, b"second"), public_id=name(3)))), "says that its number is 2"),
        (lambda: lying((0, replace(image(1, 0, b"first"), overwrites=1))), "overwritten 1 times"),
        (lambda: lying((9, Asset("image", name(7), 0, {}, b"?"))), "belongs to nobody"),
        (lambda: lying((2, Asset("image", FOREIGN, 0, {}, b"ours"))), "somebody's own"),
        (lambda: lying((2, None)), "somebody's own"),
        (lambda: lying((3, Asset("raw", f"{FOLDER}/index.txt", 0, {}, b"3"))), "index.txt says 3"),
        (lambda: lying((3, None)), "index.txt says None"),
        (lambda: replace(whole(), counters={FOLDER: 5}), "the counter 5"),
        (lambda: replace(whole(), ledger=whole().ledger[:1]), "the ledger says None"),
        (
            lambda: replace(whole(), ledger=[*whole().ledger, {"batch_id": "b2", "ordinal": 0}]),
            "nobody rendered",
        ),
        (lambda: replace(whole(), stored={("b1", 0): whole().stored["b1", 0]}), "was told []"),
        (
            lambda: replace(
                whole(), stored={**whole().stored, ("b1", 0): {(name(1), "a", "x"), (name(1), "b", "x")}}
            ),
            "was told",
        ),
    ],
)
def test_a_breach_is_found(account: Callable[[], Account], word: str) -> None:
    assert any(word in each for each in broken(account()))
