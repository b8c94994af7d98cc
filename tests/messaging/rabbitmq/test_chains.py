"""What led to a lost connection is looked at, and is no maze."""

import ssl

import pytest
from aio_pika.exceptions import AMQPConnectionError

from messaging.rabbitmq.tls import untrusted


@pytest.mark.timeout(20)
def test_a_chain_of_errors_that_leads_back_into_itself_is_walked_once() -> None:
    """Without that, the process stands still for ever, with its event loop."""
    lost, reset = AMQPConnectionError("lost"), ConnectionResetError("reset by peer")
    lost.__cause__, reset.__context__ = reset, lost
    assert untrusted(lost) is None


def test_a_certificate_is_found_however_deep_it_lies() -> None:
    outer, inner, refused = AMQPConnectionError("lost"), OSError("closed"), ssl.SSLCertVerificationError()
    refused.verify_message = "self-signed certificate"
    outer.__cause__, inner.__context__ = inner, refused
    assert "self-signed certificate" in (untrusted(outer) or "")
