"""The node classes that a graph may use, with their inputs as the real server declares them."""

from sandbox.comfyui import node_runs as runs
from sandbox.comfyui.node_inputs import Input, NodeClass, Shelf

_SAMPLERS = ["euler", "euler_ancestral", "heun", "dpmpp_2m", "dpmpp_2m_sde", "dpmpp_sde", "ddim", "uni_pc"]
_SCHEDULERS = ["normal", "karras", "exponential", "sgm_uniform", "simple", "ddim_uniform", "beta"]
_UPSCALERS = ["nearest-exact", "bilinear", "area", "bicubic", "bislerp"]
_MAX_SIDE = 16384
_MAX_SEED = 0xFFFFFFFFFFFFFFFF


def _link(kind: str) -> Input:
    return Input(kind, {"tooltip": f"a {kind.lower()} from another node"})


def _integer(default: int, low: int, high: int, step: int = 1) -> Input:
    return Input("INT", {"default": default, "min": low, "max": high, "step": step})


def _number(default: float, low: float, high: float, step: float) -> Input:
    return Input("FLOAT", {"default": default, "min": low, "max": high, "step": step})


def _fixed(names: list[str]) -> Input:
    return Input("COMBO", choices=lambda _shelf: names)


def _side(default: int = 512, low: int = 16, step: int = 8) -> Input:
    return _integer(default, low, _MAX_SIDE, step)


def _missing_image(shelf: Shelf, name: str) -> str | None:
    return None if name in shelf.files.inputs() else f"Invalid image file: {name}"


_TEXT = Input("STRING", {"multiline": True, "dynamicPrompts": True})
_PREFIX = Input("STRING", {"default": "ComfyUI", "tooltip": "where the file goes and how its name begins"})
_BATCH = _integer(1, 1, 4096)
_PNG = {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}

_CLASSES = (
    NodeClass(
        "CheckpointLoaderSimple",
        "Load Checkpoint",
        "loaders",
        runs.load_checkpoint,
        {"ckpt_name": Input("COMBO", choices=lambda shelf: list(shelf.settings.checkpoints))},
        ("MODEL", "CLIP", "VAE"),
    ),
    NodeClass(
        "LoraLoader",
        "Load LoRA",
        "loaders",
        runs.load_lora,
        {
            "model": _link("MODEL"),
            "clip": _link("CLIP"),
            "lora_name": Input("COMBO", choices=lambda shelf: list(shelf.settings.loras)),
            "strength_model": _number(1.0, -100.0, 100.0, 0.01),
            "strength_clip": _number(1.0, -100.0, 100.0, 0.01),
        },
        ("MODEL", "CLIP"),
    ),
    NodeClass(
        "VAELoader",
        "Load VAE",
        "loaders",
        runs.load_vae,
        {"vae_name": Input("COMBO", choices=lambda shelf: list(shelf.settings.vaes))},
        ("VAE",),
    ),
    NodeClass(
        "CLIPTextEncode",
        "CLIP Text Encode (Prompt)",
        "conditioning",
        runs.encode_text,
        {"text": _TEXT, "clip": _link("CLIP")},
        ("CONDITIONING",),
    ),
    NodeClass(
        "EmptyLatentImage",
        "Empty Latent Image",
        "latent",
        runs.empty_latent,
        {"width": _side(), "height": _side(), "batch_size": _BATCH},
        ("LATENT",),
    ),
    NodeClass(
        "LatentUpscale",
        "Upscale Latent",
        "latent",
        runs.upscale_latent,
        {
            "samples": _link("LATENT"),
            "upscale_method": _fixed(_UPSCALERS),
            "width": _side(low=0),
            "height": _side(low=0),
            "crop": _fixed(["disabled", "center"]),
        },
        ("LATENT",),
    ),
    NodeClass(
        "KSampler",
        "KSampler",
        "sampling",
        runs.sample,
        {
            "model": _link("MODEL"),
            "seed": _integer(0, 0, _MAX_SEED),
            "steps": _integer(20, 1, 10000),
            "cfg": _number(8.0, 0.0, 100.0, 0.1),
            "sampler_name": _fixed(_SAMPLERS),
            "scheduler": _fixed(_SCHEDULERS),
            "positive": _link("CONDITIONING"),
            "negative": _link("CONDITIONING"),
            "latent_image": _link("LATENT"),
            "denoise": _number(1.0, 0.0, 1.0, 0.01),
        },
        ("LATENT",),
    ),
    NodeClass(
        "VAEDecode",
        "VAE Decode",
        "latent",
        runs.decode,
        {"samples": _link("LATENT"), "vae": _link("VAE")},
        ("IMAGE",),
    ),
    NodeClass(
        "VAEEncode",
        "VAE Encode",
        "latent",
        runs.encode_image,
        {"pixels": _link("IMAGE"), "vae": _link("VAE")},
        ("LATENT",),
    ),
    NodeClass(
        "EmptyImage",
        "EmptyImage",
        "image",
        runs.empty_image,
        {
            "width": _side(low=1, step=1),
            "height": _side(low=1, step=1),
            "batch_size": _BATCH,
            "color": _integer(0, 0, 0xFFFFFF),
        },
        ("IMAGE",),
    ),
    NodeClass(
        "LoadImage",
        "Load Image",
        "image",
        runs.load_image,
        {
            "image": Input(
                "COMBO",
                {"image_upload": True},
                choices=lambda shelf: shelf.files.inputs(),
                check=_missing_image,
            )
        },
        ("IMAGE", "MASK"),
    ),
    NodeClass(
        "SaveImage",
        "Save Image",
        "image",
        runs.save_image,
        {"images": _link("IMAGE"), "filename_prefix": _PREFIX},
        output_node=True,
        hidden=_PNG,
    ),
    NodeClass(
        "PreviewImage",
        "Preview Image",
        "image",
        runs.preview_image,
        {"images": _link("IMAGE")},
        output_node=True,
        hidden=_PNG,
    ),
)
CLASSES = {each.name: each for each in _CLASSES}
