"""Renders images on a fleet of ComfyUI servers: a job book of one row per image and round is its queue."""
