"""An S3-compatible server in this process, on a port of its own, with as many buckets as are asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

import httpx
from pydantic import SecretStr

from chassis.blobs_s3_place import Login

#: Any key opens it; what matters is who signs.
LOGIN = Login("test-key", SecretStr("test-secret"))
VARIABLES = {
    "AWS_ACCESS_KEY_ID": LOGIN.access_key_id,
    "AWS_SECRET_ACCESS_KEY": LOGIN.secret_access_key.get_secret_value(),
}
#: What makes the server take a bare request for one of S3, to any bucket.
_SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=test-key/20260101/us-east-1/s3/aws4_request"}


@dataclass(frozen=True)
class S3Server:
    """Where it is, and a way past the client that is tested."""

    endpoint: str
    _numbers: Iterator[int]

    def new_bucket(self) -> str:
        """Its name."""
        name = f"bucket-{next(self._numbers)}"
        self.make(name)
        return name

    def make(self, bucket: str) -> None:
        httpx.put(f"{self.endpoint}/{bucket}", headers=_SIGNED, trust_env=False).raise_for_status()

    def url(self, bucket: str, prefix: str = "darkroom/blobs", endpoint: str = "") -> str:
        """What `BLOBS_URL` says of it."""
        return f"s3://{bucket}/{prefix}?endpoint={endpoint or self.endpoint}"

    def object(self, bucket: str, name: str) -> bytes | None:
        answer = httpx.get(f"{self.endpoint}/{bucket}/{name}", headers=_SIGNED, trust_env=False)
        return answer.content if answer.is_success else None

    def names(self, bucket: str) -> list[str]:
        """Of everything in the bucket, up to a thousand."""
        text = httpx.get(f"{self.endpoint}/{bucket}", headers=_SIGNED, trust_env=False).text
        return [part.partition("</Key>")[0] for part in text.split("<Key>")[1:]]

    def put(self, bucket: str, name: str, data: bytes) -> None:
        """As some other client would."""
        url = f"{self.endpoint}/{bucket}/{name}"
        httpx.put(url, content=data, headers=_SIGNED, trust_env=False).raise_for_status()

    def delete(self, path: str) -> None:
        """A bucket, or an object of one."""
        httpx.delete(f"{self.endpoint}/{path}", headers=_SIGNED, trust_env=False).raise_for_status()


@contextmanager
def s3_server() -> Iterator[S3Server]:
    # Most test processes never need one, and it takes long to import.
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield S3Server(f"http://{host}:{port}", count(1))
    finally:
        server.stop()
