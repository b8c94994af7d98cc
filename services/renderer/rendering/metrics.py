"""What the renderer counts; submits divided by images that are done is what a picture costs."""

from prometheus_client import Counter

SUBMITTED = Counter("darkroom_renders_submitted", "Jobs that a backend took", ["backend"])
ENDED = Counter(
    "darkroom_images_ended", "Images by how they ended: `done`, or the code of their failure", ["code"]
)
GPU_SECONDS = Counter("darkroom_gpu_seconds", "Seconds of execution on a backend", ["backend"])
