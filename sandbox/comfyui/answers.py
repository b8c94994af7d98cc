"""Bodies and answers in the ways of the real server (aiohttp)."""

import json
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

LOGIN_PATH = "/login"


class Stumbled(HTTPException):
    """What was sent makes the real server raise: a body that is not JSON, a text for a number."""

    def __init__(self) -> None:
        super().__init__(500)


def stumbled() -> Response:
    """What an exception inside the real server looks like."""
    return PlainTextResponse("500 Internal Server Error\n\nServer got itself in trouble", 500)


async def plainly(_request: Request, error: Exception) -> Response:
    """404, 405 and their like as aiohttp words them."""
    assert isinstance(error, HTTPException)
    if error.status_code == 500:
        return stumbled()
    phrase = HTTPStatus(error.status_code).phrase
    return PlainTextResponse(f"{error.status_code}: {phrase}", error.status_code, error.headers)


def to_login() -> Response:
    return RedirectResponse(LOGIN_PATH, 302)


async def web_page(_request: Request) -> Response:
    """Where people work; worker-comfyui asks for it to know whether the server is up."""
    return HTMLResponse("<!DOCTYPE html>\n<html><head><title>ComfyUI</title></head><body></body></html>")


def password_wanted() -> Response:
    """What nginx says before Basic authentication."""
    text = "401 Authorization Required"
    page = f"<html>\n<head><title>{text}</title></head>\n<body><h1>{text}</h1></body>\n</html>\n"
    return HTMLResponse(page, 401, {"www-authenticate": 'Basic realm="ComfyUI"'})


async def login_page(_request: Request) -> Response:
    return login_form()


def login_form() -> Response:
    form = '<form method="post"><input type="password" name="password"><button>Sign in</button></form>'
    return HTMLResponse(f"<!DOCTYPE html>\n<html><head><title>Login</title></head><body>{form}</body></html>")


async def json_of(request: Request) -> Any:
    """The body as JSON whatever its content type. Raises Stumbled."""
    try:
        return json.loads(await request.body())
    except ValueError:
        raise Stumbled from None


async def object_of(request: Request) -> dict[str, Any]:
    """As `json_of`, and raises Stumbled for anything but an object."""
    body = await json_of(request)
    if not isinstance(body, dict):
        raise Stumbled
    return body


def number_in(told: object) -> float:
    """Raises Stumbled."""
    try:
        return float(str(told))
    except ValueError:
        raise Stumbled from None


def texts_in(told: object) -> list[str]:
    """The texts of a list; nothing else can name a prompt."""
    return [each for each in told if isinstance(each, str)] if isinstance(told, list) else []
