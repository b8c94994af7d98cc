"""A stand-in for RunPod's serverless API with worker-comfyui behind it: queue, workers, limits, faults."""

from sandbox.runpod.app import runpod
from sandbox.runpod.settings import Limit, Settings

__all__ = ["Limit", "Settings", "runpod"]
