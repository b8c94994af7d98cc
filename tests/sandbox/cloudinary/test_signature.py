import cloudinary.utils
import pytest

from sandbox.cloudinary.signature import algorithm_of, delivery_signatures, digest, staleness, string_to_sign
from sandbox.cloudinary.signature import signature_holds as holds

FIELDS = {"public_id": "a/b & c", "timestamp": "1315060510", "tags": "x,y", "context": "a=1|b=2"}


def test_the_published_example_has_its_published_signature() -> None:
    signed = string_to_sign("upload", {"public_id": "sample_image", "timestamp": "1315060510"})
    assert digest(signed, "abcd") == "b4ad47fb4e25c7bf5f92a20089f9db59bc302313"


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_what_the_sdk_signs_holds(version: int, algorithm: str) -> None:
    signature = cloudinary.utils.api_sign_request(FIELDS, "secret", algorithm, version)
    assert holds(
        "upload", {**FIELDS, "api_key": "k", "cloud_name": "c", "signature": signature}, "secret", signature
    )
    assert algorithm_of(signature) == algorithm


@pytest.mark.parametrize(
    "changed",
    [{"public_id": "a/b & d"}, {"overwrite": "1"}, {"timestamp": "1315060511"}, {"tags": ""}],
    ids=["value", "extra field", "time", "field left out"],
)
def test_a_signature_of_other_fields_does_not_hold(changed: dict[str, str]) -> None:
    signature = cloudinary.utils.api_sign_request(FIELDS, "secret")
    assert not holds("upload", {**FIELDS, **changed}, "secret", signature)


def test_a_signature_with_another_secret_or_of_another_length_does_not_hold() -> None:
    signature = cloudinary.utils.api_sign_request(FIELDS, "other")
    assert not holds("upload", FIELDS, "secret", signature)
    assert not holds("upload", FIELDS, "secret", "ü" * 40)
    assert not holds("upload", FIELDS, "secret", signature[:-1])


def test_version_two_lets_no_value_pose_as_another_field() -> None:
    honest = string_to_sign("upload", {"public_id": "a", "tags": "b"})
    assert string_to_sign("upload", {"public_id": "a&tags=b"}) != honest


def test_notification_fields_are_signed_except_for_tags_and_context() -> None:
    fields = {"notification_url": "https://example.com", "timestamp": "1"}
    assert "notification_url" in string_to_sign("upload", fields)
    assert string_to_sign("tags", fields) == string_to_sign("context", fields) == "timestamp=1"


def test_lists_are_signed_joined_by_commas() -> None:
    assert string_to_sign("tags", {"public_ids": ["b", "a"]}) == "public_ids=b,a"


def test_a_request_is_stale_after_an_hour_and_not_before() -> None:
    assert staleness(1_000_000, 1_003_600) is None
    said = staleness(0, 3601)
    assert said == "Stale request - reported time is 1970-01-01 00:00:00 +0000 which is more than 1 hour ago"


@pytest.mark.parametrize("options", [{}, {"signature_algorithm": "sha256"}, {"long_url_signature": True}])
def test_the_urls_that_the_sdk_signs_are_known(options: dict[str, object]) -> None:
    url, _ = cloudinary.utils.cloudinary_url(
        "a/b_1", cloud_name="c", api_secret="s", sign_url=True, width=5, crop="fill", version=7, **options
    )
    signature = url.split("s--")[1].split("--")[0]
    assert signature in set(delivery_signatures("c_fill,w_5/a/b_1", "s"))
