"""A stand-in for ComfyUI: its HTTP and WebSocket protocol, queue, cache and files, with faults on demand."""

from sandbox.comfyui.app import comfyui
from sandbox.comfyui.settings import Login, Settings

__all__ = ["Login", "Settings", "comfyui"]
