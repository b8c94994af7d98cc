"""What there is to look at. A further topic is a module with a check, and a line here."""

from collections.abc import Mapping, Sequence

from chassis.settings import BadSettings
from cli.doctor import fleet
from cli.doctor.blobs import blobs
from cli.doctor.broker import broker
from cli.doctor.database import database
from cli.doctor.finding import Check
from cli.doctor.fit import settings
from cli.doctor.storage import storage

#: Name on the command line -> its check.
TOPICS: Mapping[str, Check] = {
    "settings": settings,
    "broker": broker,
    "database": database,
    "blobs": blobs,
    "storage": storage,
    "fleet": fleet.check,
}


def chosen(names: Sequence[str]) -> Mapping[str, Check]:
    """All of them where none is named. Raises BadSettings."""
    for name in names:
        if name not in TOPICS:
            raise BadSettings(f"there is nothing called {name!r} to look at; known: {', '.join(TOPICS)}")
    return {name: check for name, check in TOPICS.items() if not names or name in names}
