"""How the service says no: a status, `{"error": {"message": …}}` and the same words in `X-Cld-Error`."""

from collections.abc import Mapping

from starlette.responses import JSONResponse


class Refusal(Exception):
    """The call ends here with this status and message."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})

    def response(self) -> JSONResponse:
        headers = {**self.headers, "X-Cld-Error": _header_text(self.message)}
        return JSONResponse({"error": {"message": self.message}}, self.status, headers)


def missing(parameter: str) -> Refusal:
    return Refusal(400, f"Missing required parameter - {parameter}")


def not_found(public_id: str) -> Refusal:
    return Refusal(404, f"Resource not found - {public_id}")


def _header_text(message: str) -> str:
    printable = (character if " " <= character <= "~" else "?" for character in message)
    return "".join(printable)
