"""The blob store: whether bytes can be written, read and removed, and whether any lie there for nobody."""

import time

from chassis.settings import BadSettings
from cli.doctor.finding import Finding, ok, warning, wrong
from cli.leftovers import Leftovers, leftovers
from messaging.errors import DeliveryError
from services.uploader.sweep import OLD_SECONDS

STORE, WAITING = "blob store", "bytes that wait"


async def blobs() -> list[Finding]:
    """Reads BLOBS_URL and the uploader's DATABASE_URL; leaves nothing in either."""
    try:
        async with leftovers() as there:
            return [await _store(there), await _waiting(there)]
    except (BadSettings, DeliveryError) as why:
        return [_wrong(STORE, why)]


async def _store(there: Leftovers) -> Finding:
    begun = time.monotonic()
    try:
        await there.store.probe()
    except DeliveryError as why:
        return _wrong(STORE, why)
    took = (time.monotonic() - begun) * 1000
    return ok(STORE, f"a few bytes were written, read and removed in {took:.0f} ms")


async def _waiting(there: Leftovers) -> Finding:
    try:
        old = await there.older_than(OLD_SECONDS)
    except DeliveryError as why:
        return _wrong(WAITING, why)
    if not old:
        return ok(WAITING, "none is older than an hour")
    says = f"older than an hour, and their images not stored: {len(old)}, the oldest {old[0].key}"
    return warning(WAITING, says, "darkroom blobs list, then darkroom blobs drop")


def _wrong(subject: str, why: Exception) -> Finding:
    """The reasons of settings and stores say after a semicolon what to do."""
    says, _, advice = str(why).partition("; ")
    return wrong(subject, says, advice)
