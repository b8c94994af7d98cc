"""All stand-ins together: what they print is what services read, and their addresses stay."""

import asyncio
import signal
import sys
from pathlib import Path

import httpx

from sandbox.comfyui import rules as comfyui_rules
from sandbox.ensemble import Serverless, stand_ins
from sandbox.runpod import rules as runpod_rules
from tests.sandbox.comfyui.server import empty_image
from tests.source import ROOT


async def test_what_was_not_wished_for_has_no_url(tmp_path: Path) -> None:
    async with stand_ins(tmp_path, backends=0, storage=False, render_seconds=0) as ensemble:
        assert ensemble.urls() == {}


async def test_pods_and_endpoints_are_one_list_of_renderers(tmp_path: Path) -> None:
    running = stand_ins(tmp_path, 1, True, 0, serverless=Serverless(2, cold_start_seconds=0))
    async with running as ensemble, httpx.AsyncClient() as http:
        urls = ensemble.urls()
        (pod,) = ensemble.backends
        assert urls["RENDERER_URLS"] == f"comfyui+{pod},runpod://sandbox-1,runpod://sandbox-2"
        assert urls["CLOUDINARY_URL"].startswith("cloudinary://")
        headers = {"authorization": f"Bearer {urls['RUNPOD_API_KEY']}"}
        asked = f"{urls['RUNPOD_API_URL']}/sandbox-2/runsync"
        answer = await http.post(asked, json={"input": {"workflow": empty_image()}}, headers=headers)
        assert answer.json()["output"]["images"]


async def test_addresses_stay_from_start_to_start_and_endpoints_move_none_of_them(tmp_path: Path) -> None:
    async with stand_ins(tmp_path, 2, True, 0) as ensemble:
        first = ensemble
    async with stand_ins(tmp_path, 2, True, 0, serverless=Serverless(1)) as ensemble:
        assert (ensemble.backends, ensemble.storage) == (first.backends, first.storage)


async def test_the_module_prints_the_variables_and_ends_on_a_signal(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sandbox", "--folder", str(tmp_path), "--backends", "0"),
        *("--endpoints", "1", "--first-port", "0"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        lines = [(await process.stdout.readline()).decode() for _ in range(4)]
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    known = dict(line.strip().split("=", 1) for line in lines)
    assert set(known) == {"RENDERER_URLS", "RUNPOD_API_URL", "RUNPOD_API_KEY", "CLOUDINARY_URL"}


def test_the_page_about_the_stand_ins_names_every_fault() -> None:
    page = (ROOT / "docs" / "stand-ins.md").read_text()
    for rules in (comfyui_rules.RULES, runpod_rules.RULES):
        kinds = rules.json_schema()["items"]["discriminator"]["mapping"]
        assert [kind for kind in kinds if f"`{kind}`" not in page] == []
