"""One worker: worker-comfyui 5.8.5 with a ComfyUI of its own, whose engine is the ComfyUI stand-in's."""

import asyncio
import base64
import binascii
import copy
import shutil
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from sandbox.comfyui.execution import Cache, Execution
from sandbox.comfyui.files import BadName, Files, OutsideFolder
from sandbox.comfyui.node_inputs import Shelf
from sandbox.comfyui.prompt_queue import Ticket
from sandbox.comfyui.settings import Settings
from sandbox.comfyui.validation import NotAGraph, Refused, validate
from sandbox.faults import Faults, subject_of
from sandbox.runpod.rules import HistoryMissed
from sandbox.runpod.wording import execution_error, input_problem, refusal

#: Where an image goes instead of into the answer: its bytes and name in, a URL out.
Upload = Callable[[bytes, str], Awaitable[str]]


class _Nobody:
    """No one listens to the worker's own ComfyUI."""

    def send(self, kind: str, data: dict[str, Any], client_id: str | None = None) -> None: ...

    def send_preview(self, jpeg: bytes, about: dict[str, Any], client_id: str | None) -> None: ...


class Worker:
    """Handles one job at a time; its cache and its disk last as long as it does."""

    def __init__(self, settings: Settings, faults: Faults) -> None:
        self.id = uuid4().hex[:14]
        self._shelf = Shelf(settings, Files(settings.files / self.id))
        self._root = settings.files / self.id
        self._faults = faults
        self._cache = Cache()
        self._handled = 0
        #: Whether a node has run for the job at hand, rather than the cache have answered for all of them.
        self.rendered = False

    def leave(self) -> None:
        """The container is gone, and its disk with it."""
        asyncio.get_running_loop().run_in_executor(None, shutil.rmtree, self._root, True)

    async def handle(self, told: Any, upload: Upload | None) -> dict[str, Any]:
        """What the handler returns for a job's input: images, or an error."""
        self.rendered = False
        problem = input_problem(told)
        if problem is not None:
            return {"error": problem}
        problems = [await self._take_in(each) for each in told.get("images") or ()]
        if any(problems):
            found = [problem for problem in problems if problem]
            return {"error": "Failed to upload one or more input images", "details": found}
        graph = copy.deepcopy(told["workflow"])
        try:
            accepted = validate(graph, self._shelf)
        except Refused as refused:
            return {"error": refusal(refused.body, self._shelf.settings.checkpoints)}
        except NotAGraph:
            where = "Internal Server Error for url: http://127.0.0.1:8188/prompt"
            return {"error": f"Error queuing workflow: 500 Server Error: {where}"}
        return await self._run(graph, accepted.outputs, upload)

    async def _take_in(self, image: dict[str, Any]) -> str | None:
        """An input image, as base64 or data URI, onto the disk; what is wrong with it."""
        name, content = str(image["name"]), str(image["image"]).rpartition(",")[2]
        try:
            data = base64.b64decode(content)
            await asyncio.to_thread(self._shelf.files.upload, data, name, "", "input", True)
        except binascii.Error as error:
            return f"Error decoding base64 for {name}: {error}"
        except (BadName, OutsideFolder):
            where = "Bad Request for url: http://127.0.0.1:8188/upload/image"
            return f"Error uploading {name}: 400 Client Error: {where}"
        return None

    async def _run(
        self, graph: dict[str, Any], outputs: tuple[str, ...], upload: Upload | None
    ) -> dict[str, Any]:
        """The node errors of outputs that were refused are not looked at, as the real handler does not."""
        number, self._handled = self._handled, self._handled + 1
        ticket = Ticket(number, str(uuid4()), graph, {"client_id": "worker-comfyui"}, outputs)
        execution = Execution(ticket, self._shelf, self._cache, _Nobody(), self._faults)
        await execution.run()
        self.rendered = execution.rendered
        kind, data = execution.messages[-1]
        errors = [execution_error(data)] if kind == "execution_error" else []
        if errors and self._faults.take(HistoryMissed, subject_of(graph)):
            errors.append(f"Prompt ID {ticket.prompt_id} not found in history after execution.")
            return {"error": "Job processing failed, prompt ID not found in history.", "details": errors}
        if not execution.outputs and not errors:
            errors.append(f"No outputs found in history for prompt {ticket.prompt_id}.")
        images = [
            await self._image(listed, upload, errors)
            for shown in execution.outputs.values()
            for listed in shown.get("images", ())
            if listed["type"] != "temp"
        ]
        return _answer([image for image in images if image], errors)

    async def _image(
        self, listed: dict[str, str], upload: Upload | None, errors: list[str]
    ) -> dict[str, str] | None:
        """One image of the answer; without its subfolder, as the real handler drops it."""
        name = listed["filename"]
        data = await asyncio.to_thread(self._read, listed)
        if data is None:
            errors.append(f"Failed to fetch image data for {name} from /view endpoint.")
            return None
        if upload is not None:
            return {"filename": name, "type": "s3_url", "data": await upload(data, name)}
        return {"filename": name, "type": "base64", "data": base64.b64encode(data).decode()}

    def _read(self, listed: dict[str, str]) -> bytes | None:
        try:
            path = self._shelf.files.find(listed["filename"], listed["subfolder"], listed["type"])
        except (BadName, OutsideFolder):
            return None
        return path.read_bytes() if path else None


def _answer(images: list[dict[str, str]], errors: list[str]) -> dict[str, Any]:
    """Any image makes a success of a failed graph."""
    if images:
        return {"images": images, "errors": errors} if errors else {"images": images}
    if errors:
        return {"error": "Job processing failed", "details": errors}
    return {"status": "success_no_images", "images": []}
