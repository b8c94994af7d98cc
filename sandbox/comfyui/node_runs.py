"""What the nodes do. Nothing here blocks the loop: painting, reading and writing go to a thread."""

import asyncio
import hashlib
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from sandbox.comfyui.files import Folder
from sandbox.comfyui.node_inputs import Made, Shelf, Stage
from sandbox.comfyui.painting import Recipe, paint

Pictures = tuple[Image.Image, ...]
_EMBEDDING = re.compile(r"embedding:([^\s,():]+)")


@dataclass(frozen=True)
class Conditioning:
    """A prompt as the model reads it: embeddings that the server lacks are left out, as by the real one."""

    text: str
    models: tuple[str, ...]


@dataclass(frozen=True)
class Latent:
    """A picture that is not painted yet: one recipe for each place in the batch once a sampler saw it."""

    width: int
    height: int
    batch_size: int
    recipes: tuple[Recipe, ...] = ()
    source: str = ""


async def load_checkpoint(_stage: Stage, inputs: dict[str, Any]) -> Made:
    models = (inputs["ckpt_name"],)
    return Made((models, models, models))


async def load_lora(_stage: Stage, inputs: dict[str, Any]) -> Made:
    lora = inputs["lora_name"]
    model = (*inputs["model"], f"{lora}@{inputs['strength_model']}")
    return Made((model, (*inputs["clip"], f"{lora}@{inputs['strength_clip']}")))


async def load_vae(_stage: Stage, inputs: dict[str, Any]) -> Made:
    return Made(((inputs["vae_name"],),))


async def encode_text(stage: Stage, inputs: dict[str, Any]) -> Made:
    text = _EMBEDDING.sub(lambda found: _embedded(stage.shelf, found[1]), inputs["text"])
    return Made((Conditioning(text, inputs["clip"]),))


def _embedded(shelf: Shelf, name: str) -> str:
    known = name.removesuffix(".safetensors").removesuffix(".pt")
    return f"<{known}>" if known in shelf.settings.embeddings else ""


async def empty_latent(_stage: Stage, inputs: dict[str, Any]) -> Made:
    return Made((Latent(inputs["width"], inputs["height"], inputs["batch_size"]),))


async def upscale_latent(_stage: Stage, inputs: dict[str, Any]) -> Made:
    before: Latent = inputs["samples"]
    width, height = _larger(before, inputs["width"], inputs["height"])
    recipes = tuple(replace(recipe, width=width, height=height) for recipe in before.recipes)
    return Made((replace(before, width=width, height=height, recipes=recipes),))


def _larger(before: Latent, width: int, height: int) -> tuple[int, int]:
    """A side of 0 follows the other one; both 0 keep the size."""
    if not width and not height:
        return before.width, before.height
    return (
        width or max(64, round(before.width * height / before.height)),
        height or max(64, round(before.height * width / before.width)),
    )


async def sample(stage: Stage, inputs: dict[str, Any]) -> Made:
    before: Latent = inputs["latent_image"]
    recipes = tuple(_recipe(inputs, before, place) for place in range(before.batch_size))
    steps: int = inputs["steps"]
    for step in range(1, steps + 1):
        await stage.step(step, steps)
        if stage.shelf.settings.previews and step == (steps + 1) // 2:
            small = replace(recipes[0], width=128, height=128 * before.height // before.width or 1)
            await stage.preview(await asyncio.to_thread(paint, small))
    return Made((replace(before, recipes=recipes, source=recipes[0].digest()),))


def _recipe(inputs: dict[str, Any], before: Latent, place: int) -> Recipe:
    positive, negative = inputs["positive"], inputs["negative"]
    return Recipe(
        models=(*inputs["model"], *positive.models),
        positive=positive.text,
        negative=negative.text,
        seed=inputs["seed"],
        steps=inputs["steps"],
        cfg=inputs["cfg"],
        sampler=f"{inputs['sampler_name']} {inputs['scheduler']}",
        denoise=inputs["denoise"],
        width=before.width,
        height=before.height,
        place=place,
        source=before.source,
    )


async def decode(_stage: Stage, inputs: dict[str, Any]) -> Made:
    latent: Latent = inputs["samples"]
    if not latent.recipes:
        grey = Image.new("RGB", (latent.width, latent.height), (127, 127, 127))
        return Made(((grey,) * latent.batch_size,))
    pictures = [await asyncio.to_thread(paint, recipe) for recipe in latent.recipes]
    return Made((tuple(pictures),))


async def encode_image(_stage: Stage, inputs: dict[str, Any]) -> Made:
    pictures: Pictures = inputs["pixels"]
    source = await asyncio.to_thread(_digest, pictures)
    return Made((Latent(pictures[0].width, pictures[0].height, len(pictures), source=source),))


def _digest(pictures: Pictures) -> str:
    return hashlib.sha256(b"".join(picture.tobytes() for picture in pictures)).hexdigest()


async def empty_image(_stage: Stage, inputs: dict[str, Any]) -> Made:
    red, green, blue = inputs["color"].to_bytes(3, "big")
    size = inputs["width"], inputs["height"]
    picture = await asyncio.to_thread(Image.new, "RGB", size, (red, green, blue))
    return Made(((picture,) * inputs["batch_size"],))


async def load_image(stage: Stage, inputs: dict[str, Any]) -> Made:
    path = stage.shelf.files.path({"type": "input", "subfolder": "", "filename": inputs["image"]})
    return Made(await asyncio.to_thread(_read, path))


def _read(path: Path) -> tuple[Pictures, Pictures]:
    with Image.open(path) as opened:
        upright = ImageOps.exif_transpose(opened)
        mask = ImageOps.invert(upright.convert("RGBA").getchannel("A"))
        return (upright.convert("RGB"),), (mask,)


async def save_image(stage: Stage, inputs: dict[str, Any]) -> Made:
    return await _save(stage, inputs["images"], inputs["filename_prefix"], "output")


async def preview_image(stage: Stage, inputs: dict[str, Any]) -> Made:
    return await _save(stage, inputs["images"], "ComfyUI_temp", "temp")


async def _save(stage: Stage, pictures: Pictures, prefix: str, folder: Folder) -> Made:
    """The graph goes into the file, so equal pixels under another prefix are other bytes."""
    metadata = _metadata(stage) if stage.shelf.settings.metadata else PngInfo()
    save = stage.shelf.files.save
    listed = [
        await asyncio.to_thread(save, picture, prefix.replace("%batch_num%", str(place)), folder, metadata)
        for place, picture in enumerate(pictures)
    ]
    return Made(shown={"images": listed})


def _metadata(stage: Stage) -> PngInfo:
    metadata = PngInfo()
    metadata.add_text("prompt", json.dumps(stage.graph))
    for name, value in stage.extra_pnginfo.items():
        metadata.add_text(name, json.dumps(value))
    return metadata
