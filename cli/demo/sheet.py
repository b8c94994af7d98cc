"""The contact sheet: every image of the demo in one picture, with its name below it."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps

COLUMNS = 7
THUMBNAIL = (160, 240)
GAP = 16
CAPTION = 34
PAPER, INK, QUIET, WARNING = "#16161a", "#f2f0ea", "#9a98a3", "#f0a35e"


def draw(images: Sequence[Mapping[str, Any]], delivered: Mapping[str, bytes], file: Path) -> None:
    """Writes the sheet as a PNG; placeholders are captioned in another colour."""
    rows = -(-len(images) // COLUMNS)
    width = GAP + COLUMNS * (THUMBNAIL[0] + GAP)
    height = GAP + rows * (THUMBNAIL[1] + CAPTION + GAP)
    sheet = Image.new("RGB", (width, height), PAPER)
    pen, font, small = ImageDraw.Draw(sheet), ImageFont.load_default(12), ImageFont.load_default(11)
    for place, image in enumerate(images):
        left = GAP + place % COLUMNS * (THUMBNAIL[0] + GAP)
        top = GAP + place // COLUMNS * (THUMBNAIL[1] + CAPTION + GAP)
        with Image.open(BytesIO(delivered[image["url"]])) as picture:
            sheet.paste(ImageOps.fit(picture.convert("RGB"), THUMBNAIL), (left, top))
        owner, _, rest = image["name"].partition("_")
        pen.text((left, top + THUMBNAIL[1] + 4), rest.replace("_image_", "  #"), INK, font)
        note = f"{owner}, placeholder" if image["placeholder"] else owner
        pen.text((left, top + THUMBNAIL[1] + 19), note, WARNING if image["placeholder"] else QUIET, small)
    sheet.save(file)
