"""The database's roles: an owner who makes tables, a role for each service that only fills its own."""

import hashlib
import hmac
import secrets
from base64 import b64encode
from collections.abc import Mapping

from cli.accounts.passwords import ROLES

SERVICES = ("gateway", "indexer", "renderer", "uploader")
PREFIX = "darkroom_"
ITERATIONS = 4096
#: What may be known of the job book by whoever counts it: no prompt, no name.
COUNTED = ("state",)


def verifier(password: str, salt: bytes | None = None) -> str:
    """What PostgreSQL stores of a password (RFC 5803), so that the password itself never reaches the server
    or its log. Our own passwords are ASCII, for which SASLprep changes nothing."""
    salt = salt or secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    stored = hashlib.sha256(_keyed(salted, b"Client Key")).digest()
    keys = f"{_text(stored)}:{_text(_keyed(salted, b'Server Key'))}"
    return f"SCRAM-SHA-256${ITERATIONS}:{_text(salt)}${keys}"


def roles(database: str, verifiers: Mapping[str, str], prefix: str = PREFIX) -> list[str]:
    """For whoever may make roles and owns the database. Again and again: passwords change, nothing else."""
    made = [statement for name in ROLES for statement in _role(prefix + name, verifiers[name])]
    everybody = ", ".join(_quoted(prefix + name) for name in ROLES)
    return [
        *made,
        f"REVOKE ALL ON DATABASE {_quoted(database)} FROM PUBLIC",
        f"GRANT CONNECT ON DATABASE {_quoted(database)} TO {everybody}",
        f"GRANT CREATE ON DATABASE {_quoted(database)} TO {_quoted(prefix + 'owner')}",
        # Before PostgreSQL 15 everybody might make tables there.
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    ]


def grants(service: str, prefix: str = PREFIX) -> list[str]:
    """For the owner, once the service's tables are there: rows, never tables."""
    role, schema = _quoted(prefix + service), _quoted(service)
    statements = [
        f"GRANT USAGE ON SCHEMA {schema} TO {role}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
        # Which revision the tables have is the owner's word.
        f"REVOKE INSERT, UPDATE, DELETE ON {schema}.alembic_version FROM {role}",
    ]
    if service == "renderer":
        monitor = _quoted(prefix + "monitor")
        columns = ", ".join(COUNTED)
        statements += [
            f"GRANT USAGE ON SCHEMA {schema} TO {monitor}",
            f"GRANT SELECT ({columns}) ON {schema}.jobs TO {monitor}",
        ]
    return statements


def _role(role: str, verified: str) -> list[str]:
    there = f"SELECT FROM pg_roles WHERE rolname = {_literal(role)}"
    return [
        f"DO $$ BEGIN IF NOT EXISTS ({there}) THEN CREATE ROLE {_quoted(role)} LOGIN; END IF; END $$",
        f"ALTER ROLE {_quoted(role)} LOGIN PASSWORD {_literal(verified)}",
    ]


def _keyed(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")


def _text(data: bytes) -> str:
    return b64encode(data).decode()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
