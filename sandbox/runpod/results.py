"""Outputs of finished jobs, kept on disk: a thousand base64 images would fill the memory."""

import asyncio
import shutil
from pathlib import Path


class Results:
    """One file per job, from its end until its retention is over."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)

    async def put(self, job_id: str, output: bytes) -> None:
        await asyncio.to_thread(self._path(job_id).write_bytes, output)

    async def get(self, job_id: str) -> bytes | None:
        """None where it has been deleted."""
        return await asyncio.to_thread(self._read, job_id)

    def delete(self, job_id: str) -> None:
        self._path(job_id).unlink(missing_ok=True)

    def _read(self, job_id: str) -> bytes | None:
        try:
            return self._path(job_id).read_bytes()
        except FileNotFoundError:
            return None

    def _path(self, job_id: str) -> Path:
        return self._folder / f"{job_id}.json"
