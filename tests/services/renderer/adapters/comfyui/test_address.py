"""Renderer URLs: where a backend is, and how it lets us in."""

import base64

import pytest

from services.renderer.adapters.comfyui.address import BadAddress, addresses, read_address


def test_credentials_become_headers_and_never_part_of_the_name() -> None:
    address = read_address(
        "comfyui+https://user:p%40ss@pod.example:8443/comfy/?bearer=&token=t1&header.X-Key=k1"
    )
    assert address.name == "pod.example:8443/comfy"
    assert address.http == "https://pod.example:8443/comfy"
    assert address.headers["Authorization"] == f"Basic {base64.b64encode(b'user:p@ss').decode()}"
    assert address.headers["X-Key"] == "k1"
    assert address.query == {"token": "t1"}


def test_a_bearer_token_is_a_header() -> None:
    address = read_address("comfyui+http://pod?bearer=abc")
    assert address.headers["Authorization"] == "Bearer abc"
    assert address.socket("c1") == "ws://pod/ws?clientId=c1"


def test_the_socket_gets_the_same_query_as_http() -> None:
    assert (
        read_address("comfyui+https://pod?token=a%26b").socket("c") == "wss://pod/ws?token=a%26b&clientId=c"
    )


def test_several_backends_are_separated_by_commas() -> None:
    assert [each.name for each in addresses("comfyui+http://a:1, comfyui+http://[::1]:2,")] == [
        "a:1",
        "[::1]:2",
    ]


@pytest.mark.parametrize(
    ("urls", "reason"),
    [
        ("", "names no backend"),
        ("runpod://abc", "runpod:// endpoint"),
        ("http://a", "set comfyui"),
        ("comfyui+http://", "without a host"),
        ("comfyui+http://a:port", "port that is no number"),
        ("comfyui+http://a:1,comfyui+http://u:p@a:1", "names a:1 twice"),
    ],
)
def test_what_cannot_be_a_backend_is_refused_in_a_sentence_without_secrets(urls: str, reason: str) -> None:
    with pytest.raises(BadAddress, match=reason) as refused:
        addresses(urls)
    assert "u:p" not in str(refused.value)
