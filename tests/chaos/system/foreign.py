"""Somebody who stores pictures of his own at numbers that are reserved later."""

import asyncio
import hashlib
import random
from dataclasses import dataclass, field
from time import time

import httpx

from chassis.cloudinary_url import credentials
from sandbox.cloudinary.signature import digest, string_to_sign
from tests.chaos.system.people import People
from tests.services.uploader.stage import picture

AGAIN = 0.3


@dataclass
class Stranger:
    """Never puts anything over what lies there already."""

    client: httpx.AsyncClient
    account_url: str
    #: MD5 of what he stored, by public id.
    stored: dict[str, str] = field(default_factory=dict)

    async def interfere(
        self, people: People, dice: random.Random, count: int, pauses: tuple[float, float]
    ) -> None:
        """So many times, a little above what a folder has reached."""
        while len(self.stored) < count:
            await asyncio.sleep(dice.uniform(*pauses))
            if people.asked:
                asked = dice.choice(people.asked)
                there = sum(each.quantity for each in people.asked if each.folder == asked.folder)
                await self._take(f"{asked.folder}/{asked.stem}{there + dice.randint(2, 8)}")

    async def _take(self, public_id: str) -> None:
        data = picture(-1 - len(self.stored), 48)
        mine = hashlib.md5(data).hexdigest()
        while True:
            try:
                etag = await self._upload(public_id, data)
            except (httpx.HTTPError, ValueError, TypeError, KeyError):  # storage has its faults for everybody
                await asyncio.sleep(AGAIN)
                continue
            if etag == mine:
                self.stored[public_id] = mine
            return

    async def _upload(self, public_id: str, data: bytes) -> str:
        """The etag of what lies there now."""
        account = credentials(self.account_url)
        fields = {"public_id": public_id, "overwrite": "false", "timestamp": str(int(time()))}
        signature = digest(string_to_sign("upload", fields), account.api_secret)
        url = f"{account.upload_prefix}/v1_1/{account.cloud_name}/image/upload"
        form = fields | {"api_key": account.api_key, "signature": signature}
        answer = await self.client.post(url, data=form, files={"file": ("image.png", data)})
        return str(answer.raise_for_status().json()["etag"])
