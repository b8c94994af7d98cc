"""An S3 bucket for the workers' images, read by presigned URLs that expire."""

import asyncio
import hashlib
import hmac
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

_STAMP = "%Y%m%dT%H%M%SZ"


class Bucket:
    """Files under `MM-YY/JOB/8-HEX-DIGITS.png`, as the SDK names bucket and key."""

    def __init__(self, folder: Path, secret: str, seconds: int) -> None:
        self._folder, self._secret, self._seconds = folder, secret.encode(), seconds

    async def put(self, origin: str, job_id: str, data: bytes, filename: str) -> str:
        """The image's URL below `origin`, good for as long as the settings say."""
        now = datetime.now(UTC)
        key = f"{now:%m-%y}/{job_id}/{uuid4().hex[:8]}{Path(filename).suffix or '.png'}"
        await asyncio.to_thread(self._write, key, data)
        stamp = now.strftime(_STAMP)
        signed = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"SANDBOX/{now:%Y%m%d}/auto/s3/aws4_request",
            "X-Amz-Date": stamp,
            "X-Amz-Expires": str(self._seconds),
            "X-Amz-SignedHeaders": "host",
            "X-Amz-Signature": self._signature(key, stamp, str(self._seconds)),
        }
        return f"{origin}/bucket/{key}?{urlencode(signed)}"

    def routes(self) -> list[Route]:
        return [Route("/bucket/{key:path}", self._get, methods=["GET"])]

    async def _get(self, request: Request) -> Response:
        key, query = request.path_params["key"], request.query_params
        if "authorization" in request.headers:
            text = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter should be given"
            return _refused(400, "InvalidArgument", text)
        stamp, seconds = query.get("X-Amz-Date", ""), query.get("X-Amz-Expires", "")
        given = query.get("X-Amz-Signature", "")
        if not hmac.compare_digest(given.encode(), self._signature(key, stamp, seconds).encode()):
            return _refused(403, "SignatureDoesNotMatch", "The request signature does not match.")
        began = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC).timestamp()
        if time.time() > began + int(seconds):
            return _refused(403, "AccessDenied", "Request has expired")
        path = self._folder / key
        if not await asyncio.to_thread(path.is_file):
            return _refused(404, "NoSuchKey", "The specified key does not exist.")
        return FileResponse(path)

    def _write(self, key: str, data: bytes) -> None:
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def _signature(self, key: str, stamp: str, seconds: str) -> str:
        """Over what this stand-in reads of the URL; not Amazon's own canonical request."""
        return hmac.new(self._secret, f"{key}\n{stamp}\n{seconds}".encode(), hashlib.sha256).hexdigest()


def _refused(status: int, code: str, text: str) -> Response:
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{text}</Message></Error>'
    )
    return Response(body, status, media_type="application/xml")
