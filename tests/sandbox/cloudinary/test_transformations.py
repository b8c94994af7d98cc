from io import BytesIO

import pytest
from PIL import Image

from sandbox.cloudinary.refusals import Refusal
from sandbox.cloudinary.transformations import parse_transformation, rendered
from tests.sandbox.cloudinary.account import png


@pytest.mark.parametrize(
    ("component", "size"),
    [
        ("c_fill,h_20,w_20", (20, 20)),
        ("c_thumb,g_face,h_20,w_10", (10, 20)),
        ("c_fit,h_20,w_20", (20, 10)),
        ("c_fit,h_400,w_400", (400, 200)),
        ("c_limit,h_400,w_400", (100, 50)),
        ("c_limit,w_20", (20, 10)),
        ("c_pad,h_20,w_20", (20, 20)),
        ("h_20,w_20", (20, 20)),
        ("c_scale,w_0.5", (50, 25)),
        ("q_auto", (100, 50)),
    ],
)
def test_an_image_is_resized_as_asked(component: str, size: tuple[int, int]) -> None:
    data, target = rendered(png(size=(100, 50)), [parse_transformation(component)], "png")
    assert (Image.open(BytesIO(data)).size, target) == (size, "png")


def test_gravity_says_which_part_is_kept() -> None:
    image = Image.new("RGB", (20, 10), "red")
    image.paste("blue", (10, 0, 20, 10))
    out = BytesIO()
    image.save(out, "PNG")
    for gravity, colour in (("west", (255, 0, 0)), ("east", (0, 0, 255))):
        data, _ = rendered(out.getvalue(), [parse_transformation(f"c_fill,g_{gravity},h_10,w_10")], "png")
        assert Image.open(BytesIO(data)).getpixel((5, 5)) == colour


def test_steps_follow_each_other_and_the_last_format_wins() -> None:
    steps = [parse_transformation(step) for step in ("c_fill,h_40,w_40", "c_limit,w_10", "f_webp,q_50")]
    data, target = rendered(png(size=(100, 50)), steps, "png")
    image = Image.open(BytesIO(data))
    assert (image.format, image.size, target) == ("WEBP", (10, 10), "webp")


def test_a_transparent_image_becomes_a_jpeg_on_white() -> None:
    out = BytesIO()
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(out, "PNG")
    data, _ = rendered(out.getvalue(), [], "jpg")
    assert Image.open(BytesIO(data)).getpixel((1, 1)) == (255, 255, 255)


@pytest.mark.parametrize(
    "component", ["u_2", "c_spin", "w_many", "w_0", "w_99999", "f_doc", "q_0", "g_up", "w_5,e_blur"]
)
def test_what_is_not_understood_is_refused(component: str) -> None:
    with pytest.raises(Refusal, match="Invalid transformation"):
        parse_transformation(component)


def test_an_immense_result_is_refused() -> None:
    with pytest.raises(Refusal, match="pixels"):
        rendered(png(), [parse_transformation("h_20000,w_20000")], "png")
