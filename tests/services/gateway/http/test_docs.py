"""`/docs` works on a machine that reaches no other host."""

import re

import httpx

from tests.services.gateway.http.door import Door


async def test_the_page_loads_nothing_from_other_hosts(door: Door) -> None:
    async with httpx.AsyncClient(base_url=door.url) as http:
        page = await http.get("/docs")
        assert page.headers["Content-Type"].startswith("text/html")
        assert not re.search(r"(?:https?:)?//\w", page.text.replace("<!doctype html>", ""))
        loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert len(loaded) == 5
        for path in loaded:
            if not path.startswith("data:"):
                answer = await http.get(f"/{path}")
                assert (answer.status_code, len(answer.content) > 0) == (200, True), path


async def test_the_browser_is_told_to_load_nothing_from_other_hosts(door: Door) -> None:
    policy = (await door.areg.get("/docs")).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert not re.search(r"https?:|\*", policy)


async def test_the_page_shows_this_servers_document(door: Door) -> None:
    start = await door.areg.get("/docs/start.js")
    assert start.headers["Content-Type"].startswith("text/javascript")
    assert re.search(r'url: "openapi.json"', start.text)
    bundle = await door.areg.get("/docs/swagger-ui-bundle.js")
    assert bundle.headers["Content-Type"].startswith("text/javascript")
    assert "SwaggerUIBundle" in bundle.text
    assert (await door.areg.get("/docs/swagger-ui.css")).headers["Content-Type"].startswith("text/css")


async def test_nothing_else_of_the_machine_is_served(door: Door) -> None:
    for path in (
        "/redoc",
        "/docs/",
        "/docs/redoc.standalone.js",
        "/docs/../core.py",
        "/docs/oauth2-redirect",
    ):
        assert (await door.areg.get(path)).status_code == 404
