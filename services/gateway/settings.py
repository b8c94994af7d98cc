"""What the gateway is told."""

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator

from chassis.main import ServiceSettings
from chassis.settings import Settings as ProcessSettings
from chassis.settings import Url

#: Signs tokens of a system that only this machine can reach. Known to everybody, hence refused elsewhere.
DEVELOPMENT_SECRET = "darkroom development key, good on loopback only"  # noqa: S105
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class TokenSettings(ProcessSettings):
    """How callers prove who they are."""

    jwt_secret: SecretStr | None = Field(None, description="HS256 secret of the tokens, 32 bytes or more")
    jwt_jwks_url: str | None = Field(
        None, description="where the RS256 and ES256 keys of the tokens are published, instead of JWT_SECRET"
    )
    jwt_audience: str | None = Field(None, description="`aud` that a token must have; unset: not asked")
    jwt_issuer: str | None = Field(None, description="`iss` that a token must have; unset: not asked")

    @model_validator(mode="after")
    def _keys_are_safe(self) -> Self:
        secret = self.jwt_secret.get_secret_value() if self.jwt_secret else None
        if secret and self.jwt_jwks_url:
            raise ValueError("set JWT_SECRET or JWT_JWKS_URL, not both")
        if secret and len(secret.encode()) < 32:
            raise ValueError("JWT_SECRET is shorter than 32 bytes; make one with `openssl rand -hex 32`")
        if secret == DEVELOPMENT_SECRET and self.host not in LOOPBACK:
            raise ValueError(
                "the development key opens a system on loopback only; set JWT_SECRET or HOST=127.0.0.1"
            )
        return self


class Settings(ServiceSettings, TokenSettings):
    """One gateway process."""

    database_url: Url = Field(
        description="`postgresql+asyncpg://user:password@host/database`, with TLS "
        "`?sslmode=verify-full&sslrootcert=FILE`; or `sqlite+aiosqlite:///file`"
    )
    generate_wait: float = Field(
        300.0, ge=0, le=3600, description="seconds that the old generate call waits before it answers 202"
    )
    drain_seconds: float = Field(
        5.0,
        ge=0,
        le=10,
        description="seconds that a process which was told to stop still takes calls, while `/ready` says "
        "no: load balancers need them to lead callers elsewhere",
    )
    event_streams: int = Field(2000, ge=1, description="event streams that one process serves at once")
    event_streams_per_user: int = Field(
        100, ge=1, description="event streams of one user that one process serves at once"
    )
    images_per_user: int = Field(
        2000, ge=1, description="images of one user that may be under way at once; more is 429"
    )
    batches_per_minute: int = Field(
        300, ge=1, description="batches that one user may ask for in a minute; more is 429"
    )
    images_in_all: int = Field(
        100_000, ge=1, description="images of all users that may be under way at once; more is 503"
    )
    idempotency_hours: float = Field(
        24.0, ge=1, le=8760, description="hours for which the answer to an `Idempotency-Key` is kept"
    )
    changes_days: float = Field(
        7.0,
        ge=0.01,
        le=3650,
        description="days of the event log; a stream that resumes from before begins anew",
    )
    webhook_allow_private: bool = Field(
        False,
        description="call webhooks at private addresses too, and without TLS; for development",
    )
    webhook_log_days: float = Field(
        30.0, ge=1, le=3650, description="days for which deliveries of webhooks are kept once they have ended"
    )
    resend_at_start: bool = Field(
        False, description="send unanswered commands again at start, for a bus that forgets with its process"
    )
    workflows_dir: Path = Field(
        Path("workflows"), description="folder with the workflows that may be asked for"
    )
    image_hosts: str = Field(
        "https://res.cloudinary.com",
        pattern=r"^https?://[^\s;,]+( https?://[^\s;,]+)*$",
        description="origins, separated by spaces, that the web page may load pictures from",
    )

    @model_validator(mode="after")
    def _tokens_can_be_checked(self) -> Self:
        if not (self.jwt_secret or self.jwt_jwks_url):
            raise ValueError("JWT_SECRET or JWT_JWKS_URL must be set, else no token can be checked")
        return self
