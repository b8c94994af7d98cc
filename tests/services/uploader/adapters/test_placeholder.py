"""The placeholder's picture, for every size that may be asked for and for hostile words."""

from io import BytesIO

import pytest
from PIL import Image

from contracts.limits import MAX_INDEX, MAX_SIDE, MIN_SIDE
from services.uploader.adapters.placeholder import draw
from services.uploader.domain.cards import Card

CARD = Card(256, 384, "Opal Fever", 7, "The image was not finished in time.")


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


async def test_the_same_card_is_the_same_bytes_without_metadata() -> None:
    data = await draw(CARD)
    assert data == await draw(CARD)
    assert opened(data).info == {}


@pytest.mark.parametrize(
    "size", [(MIN_SIDE, MIN_SIDE), (MIN_SIDE, MAX_SIDE), (MAX_SIDE, MIN_SIDE), (1024, 1536)]
)
async def test_every_size_that_may_be_asked_for_is_drawn_small_enough_to_upload(
    size: tuple[int, int],
) -> None:
    data = await draw(Card(*size, "Opal Fever", MAX_INDEX, "word " * 2000))
    assert (opened(data).size, opened(data).format) == (size, "PNG")
    assert len(data) < 1_000_000


@pytest.mark.parametrize(
    "words", ["", " ", "\0\n\t", "x" * 10_000, "Зимняя ночь", "Zoë\u2019s night \u2014 夜", "a\u0301" * 300]
)
async def test_any_words_can_be_drawn(words: str) -> None:
    assert opened(await draw(Card(128, 128, words, 7, words))).size == (128, 128)


@pytest.mark.parametrize("change", [{"index": 8}, {"character": "Jade"}, {"reason": "Another reason."}])
async def test_number_name_and_reason_are_each_to_be_seen(change: dict[str, object]) -> None:
    other = Card(**{**vars(CARD), **change})
    assert await draw(other) != await draw(CARD)


async def test_the_number_is_readable_at_the_size_of_a_thumbnail() -> None:
    """Bright pixels of the number make up a good part of the picture's middle, even at 96 pixels."""
    small = opened(await draw(Card(1024, 1536, "Opal Fever", 7, "x"))).convert("L").resize((96, 144))
    bright = sum(small.histogram()[120:])
    assert bright > 150
