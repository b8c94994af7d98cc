"""What a stand-in is told when it is made; nothing is read from the environment."""

import base64
import hmac
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class Login(BaseModel):
    """A login in front of ComfyUI, as pods put one there.

    The token opens as `Authorization: Bearer` and as `?token=`; whoever lacks it is sent to an HTML page by a
    302. Name and password open as Basic; where there is no token, whoever lacks them is answered with a 401.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: SecretStr | None = None
    username: str | None = None
    password: SecretStr | None = None

    @property
    def has_page(self) -> bool:
        return self.token is not None

    def opens(self, authorization: str, token: str | None) -> bool:
        return any(hmac.compare_digest(given, key) for given, key in self._offers(authorization, token))

    def _offers(self, authorization: str, token: str | None) -> list[tuple[bytes, bytes]]:
        offers = []
        if self.token is not None:
            secret = self.token.get_secret_value()
            offers.append((authorization.encode(), f"Bearer {secret}".encode()))
            offers.append(((token or "").encode(), secret.encode()))
        if self.username is not None and self.password is not None:
            pair = f"{self.username}:{self.password.get_secret_value()}".encode()
            offers.append((authorization.encode(), b"Basic " + base64.b64encode(pair)))
        return offers


class Settings(BaseModel):
    """One ComfyUI server."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Its `input`, `output` and `temp` folders are made below this one and survive a restart.
    files: Path
    #: Seconds that a prompt takes from its start to its end, spread evenly over its samplers' steps, or over
    #: steps of the first node that runs where there is no sampler; decoding and saving are part of them.
    render_seconds: float = Field(default=0.0, ge=0)
    #: Seconds between `execution_success` and the entry in the history; the real server has this gap too.
    history_lag: float = Field(default=0.005, ge=0)
    checkpoints: tuple[str, ...] = ("sd_xl_base_1.0.safetensors",)
    embeddings: tuple[str, ...] = ("opal_fever",)
    loras: tuple[str, ...] = ()
    vaes: tuple[str, ...] = ()
    #: Whether saved files carry the graph; not with `--disable-metadata`, which worker-comfyui uses.
    metadata: bool = True
    #: Latent previews as binary frames while sampling, which the real server sends with `--preview-method`.
    previews: bool = False
    login: Login | None = None
    comfyui_version: str = Field(default="0.33.0", pattern=r"^\d+\.\d+\.\d+$")

    def at_least(self, version: str) -> bool:
        return _numbers(self.comfyui_version) >= _numbers(version)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
