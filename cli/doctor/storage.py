"""Cloudinary: whether it takes our calls, how the account is set up, and whether index.txt is right."""

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from pydantic import Field

from chassis.cloudinary_account import Account, NotFound, Refused, open_account
from chassis.cloudinary_answers import Limited
from chassis.cloudinary_sdk import api, uploader
from chassis.cloudinary_url import credentials
from chassis.settings import BadSettings, Settings, Url, read
from cli.counters import desk
from cli.counters.sources import sources
from cli.counters.standing import disagreements
from cli.doctor.finding import Finding, ok, warning, wrong
from contracts.limits import MAX_SIDE
from messaging.errors import DeliveryError, Outage

ACCOUNT, UPLOADS, CLOCK, MODE, PLAN, MIRRORS = (
    "account", "uploads", "clock", "folder mode", "plan", "index.txt",
)  # fmt: skip

#: Seconds that a clock may be wrong: signatures hold for an hour, but leases and logs want better.
SKEW, WORST_SKEW = 30.0, 1800.0
#: A plan is nearly used up from here on.
NEARLY = 90.0
#: Folders whose index.txt is looked at; each costs three calls of the hourly quota.
SAMPLE = 5


class StorageSettings(Settings):
    """Which account."""

    cloudinary_url: Url = Field(description="`cloudinary://key:secret@cloud`, where images are stored")


async def storage() -> list[Finding]:
    """Reads CLOUDINARY_URL and the services' databases; stores nothing. Raises BadSettings."""
    url = read(StorageSettings).cloudinary_url.get_secret_value()
    async with open_account(url, 2) as account:
        found = [await _listing(account), await _signature(account), await _clock(url)]
        if found[0].state != "ok":
            return found
        return [*found, await _mode(account), *await _plan(account), await _mirrors()]


async def _listing(account: Account) -> Finding:
    try:
        await account.call(api.ping)
    except Limited as why:
        return warning(ACCOUNT, str(why), "look again then; uploads do not wait for it")
    except (DeliveryError, NotFound, Refused) as why:
        return wrong(ACCOUNT, str(why), "CLOUDINARY_URL is on the account's page of API keys")
    return ok(ACCOUNT, f"{account.cloud_name} takes its key for listing")


async def _signature(account: Account) -> Finding:
    """Asks about an asset that does not exist: who is told so has signed well, and in time."""
    try:
        await account.call(uploader.explicit, "darkroom-doctor-asks", type="upload")
    except NotFound:
        pass
    except (DeliveryError, Refused) as why:
        return wrong(UPLOADS, str(why), "until this is mended, nothing is stored, and nothing is lost")
    return ok(UPLOADS, "signed calls are taken")


async def _clock(url: str) -> Finding:
    try:
        async with httpx.AsyncClient(timeout=10) as http:
            answer = await http.get(credentials(url).upload_prefix)
        skew = time.time() - parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (httpx.HTTPError, KeyError, ValueError):
        return warning(CLOCK, "storage does not say what time it is", "see that it can be reached from here")
    says = f"this machine's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} storage's"
    if abs(skew) <= SKEW:
        return ok(CLOCK, says)
    advice = "run NTP; requests that are an hour off are refused"
    return (wrong if abs(skew) > WORST_SKEW else warning)(CLOCK, says, advice)


async def _mode(account: Account) -> Finding:
    try:
        mode = await account.folder_mode()
    except Outage as why:
        return wrong(MODE, str(why), "uploads wait until it is known")
    told = "sent with each upload" if mode == "dynamic" else "part of each name"
    return ok(MODE, f"{mode}: folders are {told}")


async def _plan(account: Account) -> list[Finding]:
    try:
        usage = await account.call(api.usage)
    except (DeliveryError, NotFound, Refused) as why:
        return [warning(PLAN, str(why), "look again in an hour")]
    return [_sizes(usage), *_used(usage)]


def _sizes(usage: Mapping[str, Any]) -> Finding:
    limits = usage.get("media_limits") or {}
    size, pixels = limits.get("image_max_size_bytes"), limits.get("image_max_px")
    if not size or not pixels:
        return warning(
            PLAN, "it does not say how large an image may be", "too large ones are told of one by one"
        )
    plan, mebibytes, megapixels = usage.get("plan", "unknown"), size / 2**20, pixels / 1e6
    says = f"{plan}: images up to {mebibytes:.0f} MiB and {megapixels:.0f} megapixels"
    if pixels < MAX_SIDE * MAX_SIDE:
        return warning(
            PLAN, says, f"images of {MAX_SIDE} by {MAX_SIDE} pixels, which may be asked for, won't be taken"
        )
    return ok(PLAN, says)


def _used(usage: Mapping[str, Any]) -> list[Finding]:
    shares = {name: part.get("used_percent") for name, part in usage.items() if isinstance(part, dict)}
    full = {name: share for name, share in shares.items() if share is not None and share >= NEARLY}
    return [
        warning(PLAN, f"{share:.0f} % of the plan's {name} are used", "a larger plan, or fewer images")
        for name, share in full.items()
    ]


async def _mirrors() -> Finding:
    try:
        async with sources() as there:
            folders = list(await there.counters.all())[-SAMPLE:]
            standings = await desk.look(there, folders) if folders else []
    except (BadSettings, DeliveryError) as why:
        return warning(MIRRORS, f"not compared: {why}", "darkroom counters check, once that is mended")
    differing = [one.folder for one in standings if disagreements(one)]
    if differing:
        return warning(
            MIRRORS, f"differs from the counters in {', '.join(differing)}", "darkroom counters check"
        )
    return ok(MIRRORS, f"folders looked at: {len(standings)}; they agree with their counters")
