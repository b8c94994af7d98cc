"""Renderer URLs: where a backend is, and how it lets us in."""

import base64

import pytest

from services.renderer.adapters.comfyui.address import Address, read_address
from services.renderer.adapters.places import BadAddress, Pace


def read(url: str) -> Address:
    return read_address(url, Pace(2, 0.5))


def test_credentials_become_headers_and_never_part_of_the_name() -> None:
    address = read("comfyui+https://user:p%40ss@pod.example:8443/comfy/?bearer=&token=t1&header.X-Key=k1")
    assert address.name == "pod.example:8443/comfy"
    assert address.http == "https://pod.example:8443/comfy"
    assert address.headers["Authorization"] == f"Basic {base64.b64encode(b'user:p@ss').decode()}"
    assert address.headers["X-Key"] == "k1"
    assert address.query == {"token": "t1"}


def test_a_bearer_token_is_a_header() -> None:
    address = read("comfyui+http://pod?bearer=abc")
    assert address.headers["Authorization"] == "Bearer abc"
    assert address.socket("c1") == "ws://pod/ws?clientId=c1"


def test_the_socket_gets_the_same_query_as_http() -> None:
    assert read("comfyui+https://pod?token=a%26b").socket("c") == "wss://pod/ws?token=a%26b&clientId=c"


def test_a_backend_may_have_a_depth_and_a_stagger_of_its_own() -> None:
    address = read("comfyui+http://pod?depth=5&stagger_ms=250&token=t1")
    assert address.pace == Pace(5, 0.25)
    assert address.query == {"token": "t1"}
    assert read("comfyui+http://pod").pace == Pace(2, 0.5)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("comfyui+http://", "has no host"),
        ("comfyui+http://a:port", "port is no number"),
        ("comfyui+http://u:geheim@a?depth=0", "depth must be a whole number from 1"),
        ("comfyui+http://u:geheim@a?depth=two", "depth must be a whole number from 1"),
        ("comfyui+http://u:geheim@a?stagger_ms=-1", "stagger_ms must be a whole number from 0"),
    ],
)
def test_what_cannot_be_a_backend_is_refused_in_a_sentence_without_secrets(url: str, reason: str) -> None:
    with pytest.raises(BadAddress, match=reason) as refused:
        read(url)
    assert "geheim" not in str(refused.value)


def test_an_address_can_be_shown_without_its_credentials() -> None:
    assert "geheim" not in repr(read("comfyui+http://u:geheim@a?token=geheim&bearer=geheim"))
