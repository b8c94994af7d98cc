"""What the doctor says of a fleet."""

import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from chassis.settings import BadSettings
from cli.doctor import fleet
from cli.doctor.finding import Check, Finding, ok, warning, wrong
from cli.doctor.show import examine
from cli.doctor.topics import TOPICS, chosen
from messaging.errors import Outage
from tests.services.renderer.backends import backend
from tests.services.renderer.endpoints import KEY, serverless

WORKFLOWS = Path(__file__).parents[3] / "workflows"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKFLOWS_DIR", str(WORKFLOWS))


async def findings(monkeypatch: pytest.MonkeyPatch, *urls: str) -> dict[str, Finding]:
    monkeypatch.setenv("RENDERER_URLS", ",".join(urls))
    return {each.subject: each for each in await fleet.check()}


async def test_a_healthy_backend_is_shown_with_version_memory_and_embeddings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with backend(tmp_path / "a") as one:
        found = await findings(monkeypatch, one.renderer_url)
    assert {each.state for each in found.values()} == {"ok"}
    said = found[one.name].says
    assert "ComfyUI 0.33.0" in said
    assert "16 of 24 GiB of GPU memory" in said
    assert "48 of 64 GiB of memory free" in said
    assert "embeddings: opal_fever" in said
    assert found["workflow portrait"].says == f"can be rendered by {one.name}"


async def test_what_a_backend_lacks_is_a_warning_while_another_has_it_and_wrong_where_nobody_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with backend(tmp_path / "a", checkpoints=("other.safetensors",)) as poor:
        async with backend(tmp_path / "b") as rich:
            found = await findings(monkeypatch, poor.renderer_url, rich.renderer_url)
            assert found[f"workflow portrait on {poor.name}"].state == "warning"
            assert found["workflow portrait"].says == f"can be rendered by {rich.name}"
        found = await findings(monkeypatch, poor.renderer_url)
    lacking = found[f"workflow portrait on {poor.name}"]
    assert lacking.state == "wrong"
    assert "does not have 'sd_xl_base_1.0.safetensors'" in lacking.says
    assert found["workflow colour-card"].state == "ok"


async def test_a_login_and_a_dead_backend_are_wrong_and_no_secret_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with backend(tmp_path / "a", login={"token": "another"}) as one:
        locked = one.renderer_url + "?token=geheim"
        found = await findings(monkeypatch, locked, "comfyui+http://u:geheim@127.0.0.1:1")
    assert found[one.name].state == "wrong"
    assert "asks for a login" in found[one.name].says
    assert "no connection" in found["127.0.0.1:1"].says
    assert "geheim" not in repr(found)


async def test_an_endpoint_is_shown_with_its_machines_and_a_wrong_key_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serverless(tmp_path / "a") as one:
        monkeypatch.setenv("RUNPOD_API_URL", one.api_url)
        monkeypatch.setenv("RUNPOD_API_KEY", KEY)
        found = await findings(monkeypatch, one.url)
        assert found[one.name].state == "ok"
        assert "machines are up" in found[one.name].says
        monkeypatch.setenv("RUNPOD_API_KEY", "rpa_geheim")
        found = await findings(monkeypatch, one.url)
    assert found[one.name].state == "wrong"
    assert "RUNPOD_API_KEY" in found[one.name].says
    assert "geheim" not in repr(found)


async def test_a_fleet_that_cannot_be_read_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RENDERER_URLS", raising=False)
    code, said = await printed({"fleet": fleet.check})
    assert code == 1
    assert "RENDERER_URLS is not set" in said


async def test_an_empty_list_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fleet.txt").write_text("# nobody\n")
    found = await findings(monkeypatch, f"file:{tmp_path}/fleet.txt")
    assert found["fleet"].state == "warning"


async def printed(topics: dict[str, Check]) -> tuple[int, str]:
    out = io.StringIO()
    code = await examine(topics, Console(file=out, width=200))
    return code, out.getvalue()


async def test_only_what_is_wrong_makes_the_exit_code() -> None:
    async def fine() -> Sequence[Finding]:
        return [ok("a", "is [fine]"), warning("b", "is so so", "have a look")]

    async def bad() -> Sequence[Finding]:
        return [wrong("c", "is at amqp://u:geheim@host", "mend it")]

    async def out() -> Sequence[Finding]:
        raise Outage("nobody answers")

    code, said = await printed({"one": fine})
    assert code == 0
    assert "is [fine]" in said
    assert "have a look" in said
    code, said = await printed({"one": fine, "two": bad, "three": out})
    assert code == 1
    assert "nobody answers" in said
    assert "geheim" not in said


def test_topics_are_chosen_by_name() -> None:
    assert chosen([]) == TOPICS
    assert list(chosen(["fleet"])) == ["fleet"]
    with pytest.raises(BadSettings, match="known: settings, broker"):
        chosen(["weather"])


@pytest.mark.parametrize(
    "url", ["ftp://u:geheim@host", "comfyui+http://", "comfyui+http://u:geheim@host:x", "runpod://"]
)
async def test_a_url_that_no_backend_has_is_wrong_and_no_secret_is_shown(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RENDERER_URLS", url)
    code, said = await printed({"fleet": fleet.check})
    assert code == 1
    assert "RENDERER_URLS" in said
    assert "geheim" not in said
