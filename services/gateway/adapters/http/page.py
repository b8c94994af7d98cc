"""`/`: the web page, files of our own under a policy that lets nothing else in."""

import mimetypes
import os
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

FILES = Path(__file__).parents[2] / "page"
#: Said here: a machine may know them otherwise, and a browser runs no module of another type.
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def page_routes(image_hosts: str) -> list[BaseRoute]:
    """`image_hosts`, separated by spaces, are where pictures are delivered from."""
    headers = {
        "Content-Security-Policy": _policy(image_hosts),
        # Asked for again each time, and then mostly answered by 304: a new release is there at once.
        "Cache-Control": "no-cache",
        "Cross-Origin-Opener-Policy": "same-origin",
    }

    async def page(_request: Request) -> Response:
        return FileResponse(FILES / "index.html", headers=headers)

    return [Route("/", page), Mount("/page", _Files(headers))]


def _policy(image_hosts: str) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"img-src 'self' data: blob: {image_hosts}",
            "connect-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
        )
    )


class _Files(StaticFiles):
    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__(directory=FILES)
        self._headers = headers

    def file_response(self, full_path: str | os.PathLike[str], *given: object, **named: object) -> Response:
        response = super().file_response(full_path, *given, **named)  # type: ignore[arg-type]
        response.headers.update(self._headers)
        kind = _TYPES.get(Path(full_path).suffix) or mimetypes.guess_type(full_path)[0]
        if kind and response.status_code == 200:
            response.headers["Content-Type"] = f"{kind}; charset=utf-8"
        return response
