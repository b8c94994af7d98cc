"""What the server offers: node classes, models, embeddings, its own state."""

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.comfyui.events import FEATURES
from sandbox.comfyui.machine import Machine
from sandbox.comfyui.nodes import CLASSES
from sandbox.comfyui.settings import Settings

_GIB = 1024**3
_FOLDERS: dict[str, Callable[[Settings], tuple[str, ...]]] = {
    "checkpoints": lambda settings: settings.checkpoints,
    "embeddings": lambda settings: tuple(f"{name}.safetensors" for name in settings.embeddings),
    "loras": lambda settings: settings.loras,
    "vae": lambda settings: settings.vaes,
    "controlnet": lambda _settings: (),
    "upscale_models": lambda _settings: (),
}


def routes(machine: Machine) -> list[Route]:
    catalogue = _Catalogue(machine)
    return [
        Route("/embeddings", catalogue.embeddings, methods=["GET"]),
        Route("/models", catalogue.folders, methods=["GET"]),
        Route("/models/{folder}", catalogue.models, methods=["GET"]),
        Route("/object_info", catalogue.all_classes, methods=["GET"]),
        Route("/object_info/{name}", catalogue.one_class, methods=["GET"]),
        Route("/system_stats", catalogue.system_stats, methods=["GET"]),
        Route("/features", catalogue.features, methods=["GET"]),
    ]


class _Catalogue:
    def __init__(self, machine: Machine) -> None:
        self._settings = machine.settings
        self._shelf = machine.shelf

    async def embeddings(self, _request: Request) -> Response:
        return JSONResponse(list(self._settings.embeddings))

    async def folders(self, _request: Request) -> Response:
        return JSONResponse(list(_FOLDERS))

    async def models(self, request: Request) -> Response:
        names = _FOLDERS.get(request.path_params["folder"])
        return Response(status_code=404) if names is None else JSONResponse(list(names(self._settings)))

    async def all_classes(self, _request: Request) -> Response:
        return JSONResponse(await asyncio.to_thread(self._infos, list(CLASSES)))

    async def one_class(self, request: Request) -> Response:
        """An unknown class is an empty object, not a 404."""
        wanted = [name for name in CLASSES if name == request.path_params["name"]]
        return JSONResponse(await asyncio.to_thread(self._infos, wanted))

    def _infos(self, names: list[str]) -> dict[str, Any]:
        return {name: CLASSES[name].info(self._shelf) for name in names}

    async def system_stats(self, _request: Request) -> Response:
        system = {
            "os": "posix",
            "ram_total": 64 * _GIB,
            "ram_free": 48 * _GIB,
            "comfyui_version": self._settings.comfyui_version,
            "python_version": "3.12.3 (main) [GCC 13.2.0]",
            "pytorch_version": "2.9.1+cu128",
            "embedded_python": False,
            "argv": ["main.py", "--listen", "0.0.0.0", "--port", "8188"],  # noqa: S104 - a text, nothing listens
        }
        device = {
            "name": "cuda:0 stand-in",
            "type": "cuda",
            "index": 0,
            "vram_total": 24 * _GIB,
            "vram_free": 16 * _GIB,
            "torch_vram_total": 8 * _GIB,
            "torch_vram_free": 2 * _GIB,
        }
        return JSONResponse({"system": system, "devices": [device]})

    async def features(self, _request: Request) -> Response:
        return JSONResponse(FEATURES)
