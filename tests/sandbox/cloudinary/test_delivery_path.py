import pytest

from sandbox.cloudinary.delivery_path import DeliveryPath, parse_delivery_path


@pytest.mark.parametrize(
    ("path", "parsed"),
    [
        ("a", DeliveryPath("a")),
        ("v7/a/b_1.png", DeliveryPath("a/b_1.png", version=7)),
        ("c_fill,w_5/v7/u_2/a", DeliveryPath("u_2/a", ("c_fill,w_5",), 7)),
        ("w_5/f_auto/premade_characters/a", DeliveryPath("premade_characters/a", ("w_5", "f_auto"))),
        ("s--abcd_-78--/v1/a", DeliveryPath("a", version=1, signature="abcd_-78")),
        ("v12", DeliveryPath("v12")),
    ],
)
def test_a_path_is_taken_apart(path: str, parsed: DeliveryPath) -> None:
    assert parse_delivery_path(path) == parsed


def test_without_a_version_a_short_folder_is_mistaken_for_a_transformation() -> None:
    assert parse_delivery_path("u_2/a") == DeliveryPath("a", ("u_2",))
    assert parse_delivery_path("v1/u_2/a") == DeliveryPath("u_2/a", version=1)
