"""An endpoint's URL."""

import pytest

from services.renderer.adapters.places import BadAddress, Pace
from services.renderer.adapters.runpod.address import EndpointAddress, read_address
from services.renderer.adapters.runpod.endpoint import Account, read_endpoint
from services.renderer.adapters.runpod.hooks import Hooks


def test_an_endpoint_holds_many_images_unless_its_url_says_otherwise() -> None:
    assert read_address("runpod://abc123") == EndpointAddress(
        "runpod:abc123", "abc123", Pace(100), frozenset()
    )
    assert read_address("runpod://abc?depth=7&stagger_ms=250").pace == Pace(7, 0.25)


@pytest.mark.parametrize("text", ["a+b", "a%2Cb", "a+b+a", "+a++b"])
def test_embeddings_stand_beside_each_other(text: str) -> None:
    assert read_address(f"runpod://abc?embeddings={text}").embeddings == {"a", "b"}


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("runpod://", "runpod://ENDPOINT_ID"),
        ("runpod://abc/def", "runpod://ENDPOINT_ID"),
        ("runpod://a b", "runpod://ENDPOINT_ID"),
        ("runpod://key:geheim@abc", "RUNPOD_API_KEY"),
        ("runpod://abc?depht=3", "'depht'"),
        ("runpod://abc?depth=0", "depth"),
        ("runpod://abc?depth=many", "depth"),
    ],
)
def test_a_wrong_url_is_refused_with_what_to_write(url: str, says: str) -> None:
    with pytest.raises(BadAddress, match=says) as told:
        read_address(url)
    assert "geheim" not in str(told.value)


def test_an_endpoint_without_a_key_is_refused() -> None:
    account = Account("https://api.runpod.ai/v2", None, Hooks(None), 900, 60)
    with pytest.raises(BadAddress, match="RUNPOD_API_KEY"):
        read_endpoint("runpod://abc", account)
