"""Files that the nodes saved, and files for them to load."""

import asyncio
import io
from pathlib import Path

from PIL import Image
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from sandbox.comfyui.files import BadName, OutsideFolder
from sandbox.comfyui.machine import Machine


def routes(machine: Machine) -> list[Route]:
    pictures = _Pictures(machine)
    return [
        Route("/view", pictures.view, methods=["GET", "HEAD"]),
        Route("/upload/image", pictures.upload, methods=["POST"]),
    ]


class _Pictures:
    def __init__(self, machine: Machine) -> None:
        self._files = machine.shelf.files

    async def view(self, request: Request) -> Response:
        query = request.query_params
        if "filename" not in query:
            return Response(status_code=404)
        place = (query["filename"], query.get("subfolder", ""), query.get("type", "output"))
        try:
            path = await asyncio.to_thread(self._files.find, *place)
        except BadName:
            return Response(status_code=400)
        except OutsideFolder:
            return Response(status_code=403)
        if path is None:
            return Response(status_code=404)
        if "preview" in query or query.get("channel") == "rgb":
            return await asyncio.to_thread(_encoded, path, query.get("preview"))
        return _whole(path, request.headers.get("if-none-match"))

    async def upload(self, request: Request) -> Response:
        async with request.form() as form:
            image = form.get("image")
            if not isinstance(image, UploadFile) or not image.filename:
                return Response(status_code=400)
            subfolder, folder = str(form.get("subfolder", "")), str(form.get("type", "input"))
            overwrite = form.get("overwrite") in ("true", "1")
            content = await image.read()
        place = (image.filename, subfolder, folder, overwrite)
        try:
            name = await asyncio.to_thread(self._files.upload, content, *place)
        except (BadName, OutsideFolder):
            return Response(status_code=400)
        return JSONResponse({"name": name, "subfolder": subfolder, "type": folder})


def _whole(path: Path, known: str | None) -> Response:
    """The file, in parts where a Range asks for them, or 304 where the caller has it."""
    stat = path.stat()
    etag = f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'
    if known is not None and etag in known:
        return Response(status_code=304, headers={"etag": etag})
    headers = {"etag": etag, "content-disposition": f'filename="{path.name}"'}
    return FileResponse(path, headers=headers, stat_result=stat)


def _encoded(path: Path, preview: str | None) -> Response:
    """`preview=webp;50` is a smaller copy in that format and quality, `channel=rgb` a PNG without alpha."""
    kind, _, quality = (preview or "png").partition(";")
    kind = kind if kind in ("webp", "jpeg", "png") else "webp"
    packed = io.BytesIO()
    with Image.open(path) as picture:
        options = {"quality": int(quality) if quality.isdecimal() else 90} if kind != "png" else {}
        picture.convert("RGB").save(packed, kind, **options)
    headers = {"content-disposition": f'filename="{path.name}"'}
    return Response(packed.getvalue(), media_type=f"image/{kind}", headers=headers)
