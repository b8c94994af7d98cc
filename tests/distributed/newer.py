"""The next release of a service, as far as this one can tell: put before the words that start it.

Every message that it says has a field more, at the top and in every part; every service has a migration more.
"""

import importlib
import json
import os
import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

from chassis.migrations import newest
from contracts.message import Message

REVISION = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = {revision!r}, {before!r}


def upgrade():
    op.create_table("added_later", sa.Column("id", sa.Integer, primary_key=True))
    op.add_column("{table}", sa.Column("added_later", sa.Text))
    op.create_index("added_later_too", "{table}", ["added_later"])
"""
#: A table of each service that grows with every batch.
TABLES = {"gateway": "images", "indexer": "reservations", "renderer": "jobs", "uploader": "assets"}
#: Objects whose keys are content, and a field more would be another content.
OPEN = ("parameters", "dead_letters", "queues")


def more(value: Any, key: str = "") -> Any:
    if isinstance(value, list):
        return [more(part) for part in value]
    if not isinstance(value, dict) or key in OPEN:
        return value
    return {name: more(part, name) for name, part in value.items()} | {"added_later": ["by", "the", "next"]}


def says_more() -> None:
    encode = Message.encode

    def encoded(message: Message) -> bytes:
        return json.dumps(more(json.loads(encode(message)))).encode()

    Message.encode = encoded  # type: ignore[assignment, method-assign]


def keeps_more(service: str, folder: Path) -> None:
    app = importlib.import_module(f"services.{service}.app")
    before = newest(app.MIGRATIONS)
    shutil.copytree(app.MIGRATIONS, folder, dirs_exist_ok=True)
    revision = f"{int(before) + 1:04}"
    words = REVISION.format(revision=revision, before=before, table=TABLES[service])
    (folder / "versions" / f"{revision}_added_later.py").write_text(words)
    app.MIGRATIONS = folder  # type: ignore[attr-defined]


def main(module: str) -> None:
    says_more()
    keeps_more(module.partition(".")[2], Path(os.environ["VAR_DIR"]) / "newer")
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[-1])
