"""`/`: the page comes whole, from here alone, and nothing else of the machine comes with it."""

import re

import httpx
import pytest

from services.gateway.adapters.http.page import FILES
from tests.services.gateway.http.door import Door

MODULES = sorted(path.relative_to(FILES).as_posix() for path in FILES.rglob("*.js"))


async def test_the_page_and_everything_it_names_is_served_to_anybody(door: Door) -> None:
    async with httpx.AsyncClient(base_url=door.url) as http:
        page = await http.get("/")
        assert page.headers["Content-Type"].startswith("text/html")
        for path in re.findall(r'(?:src|href)="(page/[^"]+)"', page.text):
            assert (await http.get(f"/{path}")).status_code == 200, path


async def test_the_policy_lets_in_nothing_but_ourselves_and_the_pictures_host(door: Door) -> None:
    async with httpx.AsyncClient(base_url=door.url) as http:
        for path in ("/", "/page/js/main.js"):
            policy = (await http.get(path)).headers["Content-Security-Policy"]
            assert policy.startswith(
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'"
            )
            assert re.findall(r"https?://\S+", policy) == ["https://res.cloudinary.com;"]
            assert "unsafe" not in policy


@pytest.mark.parametrize("module", MODULES)
async def test_a_module_imports_only_what_is_served_beside_it(module: str) -> None:
    written = (FILES / module).read_text()
    for named in re.findall(r'from "([^"]+)"', written):
        assert (FILES / module).parent.joinpath(named).resolve().is_relative_to(FILES), named
        assert (FILES / module).parent.joinpath(named).is_file(), named
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", written)


async def test_a_file_that_is_known_already_is_not_sent_again(door: Door) -> None:
    async with httpx.AsyncClient(base_url=door.url) as http:
        first = await http.get("/page/js/main.js")
        assert first.headers["Content-Type"] == "text/javascript; charset=utf-8"
        again = await http.get("/page/js/main.js", headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["/page/", "/page/js", "/page/../settings.py", "/page/%2e%2e/settings.py", "/page/none.js"]
)
async def test_nothing_beside_the_page_is_served(door: Door, path: str) -> None:
    async with httpx.AsyncClient(base_url=door.url) as http:
        answer = await http.get(path)
        assert answer.status_code == 404
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_the_first_load_is_small() -> None:
    """The page, what it names, and what that imports before anybody asks for more."""
    page = (FILES / "index.html").read_text()
    found = {FILES / "index.html"}
    waiting = [FILES.parent / path for path in re.findall(r'(?:src|href)="(page/[^"]+)"', page)]
    while waiting:
        path = waiting.pop()
        found.add(path)
        imported = re.findall(r'^import .* from "([^"]+)";', path.read_text(), re.MULTILINE)
        waiting += {path.parent / each for each in imported} - found
    assert {"main.js", "make.js", "base.css"} <= {path.name for path in found}
    assert sum(path.stat().st_size for path in found) < 100_000
