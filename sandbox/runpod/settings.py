"""What a stand-in is told when it is made; nothing is read from the environment."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from sandbox.comfyui import Settings as ComfyUISettings

MEBIBYTE = 1024 * 1024


class Limit(BaseModel):
    """How often one endpoint may be asked for one thing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Calls within `Settings.limit_window_seconds`.
    calls: int = Field(ge=1)
    #: Calls that are open at one moment; any number where null.
    concurrent: int | None = Field(default=None, ge=1)


#: As RunPod documents them for an endpoint with few workers, August 2026.
DOCUMENTED_LIMITS = {
    "run": Limit(calls=1000, concurrent=200),
    "runsync": Limit(calls=2000, concurrent=400),
    "status": Limit(calls=2000, concurrent=400),
    "cancel": Limit(calls=100, concurrent=20),
    "purge-queue": Limit(calls=2),
}


class Settings(BaseModel):
    """One RunPod account with serverless endpoints, all of the same making."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Results, bucket and the workers' disks are kept below it; a start empties results and disks.
    files: Path
    endpoints: tuple[str, ...] = Field(default=("sandbox",), min_length=1)
    api_key: SecretStr = SecretStr("rpa_SANDBOX")

    min_workers: int = Field(default=0, ge=0)
    max_workers: int = Field(default=3, ge=0)
    #: Seconds from the decision to start a worker until it takes its first job.
    cold_start_seconds: float = Field(default=0.0, ge=0)
    #: Seconds without a job after which a worker beyond `min_workers` goes away.
    idle_seconds: float = Field(default=5.0, ge=0)

    #: As in the ComfyUI stand-in, for every worker.
    render_seconds: float = Field(default=0.0, ge=0)
    checkpoints: tuple[str, ...] = ("sd_xl_base_1.0.safetensors",)
    embeddings: tuple[str, ...] = ("opal_fever",)
    loras: tuple[str, ...] = ()
    vaes: tuple[str, ...] = ()

    #: Bounds of `policy`, below which a job is refused; the longest of both is seven days.
    shortest_execution_seconds: float = Field(default=5.0, gt=0)
    shortest_ttl_seconds: float = Field(default=10.0, gt=0)
    #: How long /status knows a job after its end.
    kept_seconds: float = Field(default=1800.0, gt=0)
    kept_after_runsync_seconds: float = Field(default=60.0, gt=0)
    webhook_gap_seconds: float = Field(default=10.0, gt=0)

    limits: Mapping[str, Limit] = DOCUMENTED_LIMITS
    limit_window_seconds: float = Field(default=10.0, gt=0)
    max_run_bytes: int = 10 * MEBIBYTE
    max_runsync_bytes: int = 20 * MEBIBYTE
    #: A larger result is refused at the worker's job-done: the job is COMPLETED without output.
    max_result_bytes: int = 20 * MEBIBYTE
    #: Whether /status of a FAILED job has the `output.details` that the worker posted; the cloud's way is not
    #: known, and the SDK's own server drops them.
    keeps_failure_details: bool = True

    #: Workers put images into a bucket and answer with presigned URLs instead of base64.
    bucket: bool = False
    presigned_seconds: int = Field(default=604_800, ge=1)

    def comfyui(self, files: Path) -> ComfyUISettings:
        """What each worker's ComfyUI runs with."""
        return ComfyUISettings(
            files=files,
            render_seconds=self.render_seconds,
            checkpoints=self.checkpoints,
            embeddings=self.embeddings,
            loras=self.loras,
            vaes=self.vaes,
            metadata=False,
        )
