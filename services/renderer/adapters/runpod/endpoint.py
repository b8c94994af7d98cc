"""One serverless endpoint as a Renderer."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import quote

from chassis.process import every
from services.renderer.adapters.places import BadAddress, Place
from services.renderer.adapters.runpod.address import EndpointAddress, read_address
from services.renderer.adapters.runpod.answers import KEY, Health, health, is_ours, seen_in_status, waited
from services.renderer.adapters.runpod.cancels import Cancels
from services.renderer.adapters.runpod.client import MOST_REQUEST, Answer, Client, TooMany
from services.renderer.adapters.runpod.hooks import Hooks
from services.renderer.adapters.runpod.lookout import EndpointWatch, Lookout, Sight
from services.renderer.adapters.runpod.metrics import SECOND_SUBMITS
from services.renderer.adapters.runpod.pace import CANCELS, RUNS, STATUSES, Rate, own_looks
from services.renderer.domain.equipment import Inventory
from services.renderer.domain.remote import Attached, Image, Link, Lost, Remote
from services.renderer.domain.troubles import Hopeless, NotSent, Passing, Trouble, Unreachable
from services.renderer.domain.workflows import Graph

#: Submits of one job that RunPod refuses with 429 before the endpoint counts as busy.
BUSY = 4
#: Seconds between two questions about its machines, while jobs are there.
HEALTH = 1.0
#: Seconds that RunPod takes as time limits of a run, and as the life of a job.
SHORTEST_RUN, SHORTEST_LIFE, LONGEST = 5.0, 10.0, 7 * 86_400.0
#: Seconds that a job lives beyond the two deadlines that queue and run may each take.
SPARE = 600.0
#: Answers to a question about a job that is not known any more.
_GONE = (400, 404, 410)


@dataclass(frozen=True)
class Account:
    """What all endpoints of this process have in common."""

    api_url: str
    api_key: str | None = field(repr=False)
    hooks: Hooks
    #: Seconds from submit to bytes.
    deadline: float
    #: Seconds that an unanswered submit waits for its hook before it is sent again.
    hook_wait: float


def read_endpoint(url: str, account: Account) -> Place:
    """From `runpod://ENDPOINT_ID…`. Raises BadAddress."""
    address = read_address(url)
    key = account.api_key
    if not key:
        raise BadAddress("a runpod:// endpoint needs RUNPOD_API_KEY, a key from RunPod's console")
    return Place(address.name, url, address.pace.depth, lambda: Endpoint(address, account, key))


class Endpoint:
    def __init__(self, address: EndpointAddress, account: Account, key: str) -> None:
        self.embeddings = address.embeddings
        #: What its machines have installed cannot be asked.
        self.inventory: Inventory | None = {}
        self._address = address
        self._account = account
        self._client = Client(account.api_url, address.endpoint, key)
        self._clock = asyncio.get_running_loop().time
        stagger = address.pace.stagger
        self._runs = Rate(min(RUNS, 1 / stagger) if stagger else RUNS)
        self._looks = Rate(STATUSES)
        self._lookout = Lookout(self._look, self._looks)
        self._cancels = Cancels(self._send_cancel, Rate(CANCELS))
        self._health = Health(0, 0)
        #: Keys under which a job was sent, or may have been, and nothing is known of it.
        self._unsure: set[str] = set()

    @property
    def name(self) -> str:
        return self._address.name

    @property
    def load(self) -> int:
        return self._lookout.jobs

    @property
    def machines(self) -> int:
        """Those that are up; where none is, one will be started."""
        return max(1, self._health.workers)

    @property
    def about(self) -> str:
        return f"{self._health.workers} machines are up, {self._health.waiting} jobs wait"

    @property
    def ahead(self) -> int:
        return self._health.waiting

    def share(self, part: float) -> None:
        self._looks.limit(own_looks(part))

    async def listen(self) -> None:
        async with asyncio.TaskGroup() as loops:
            loops.create_task(self._lookout.run())
            loops.create_task(self._cancels.run())
            loops.create_task(every(HEALTH, self._feel, "health of an endpoint"))

    async def close(self) -> None:
        await self._client.close()

    async def probe(self) -> None:
        """Whether the endpoint is there and takes our key. Raises Unreachable."""
        answer = await self._client.call("GET", "/health")
        if answer.status != 200:
            raise Unreachable(self._absent(answer))
        self._health = health(answer.body)
        self._lookout.cold(self._health.cold)

    @contextmanager
    def watching(self, remote: Remote, poll: float) -> Iterator[EndpointWatch]:
        with (
            self._lookout.watching(remote, poll) as watch,
            self._account.hooks.expecting(
                remote.key, remote.receipt is None, lambda: self._lookout.hint(remote.key)
            ),
        ):
            try:
                yield watch
            finally:
                self._unsure.discard(remote.key)

    async def submit(self, remote: Remote, graph: Graph) -> str:
        if remote.key in self._unsure:
            SECOND_SUBMITS.labels(self.name).inc()
        answer = await self._run(self._request(remote, graph))
        if answer.status == 404:
            raise NotSent(self._absent(answer))
        if answer.status in (400, 422):
            raise Hopeless("invalid_workflow", f"RunPod refuses the job: {_reason(answer)}")
        if answer.status >= 400:
            # An account without credit, for one.
            raise NotSent(f"RunPod takes no jobs (HTTP {answer.status}): {_reason(answer)}")
        receipt = answer.body.get("id")
        if not isinstance(receipt, str) or not receipt:
            raise Unreachable("RunPod's answer names no job")
        self._account.hooks.named(remote.key)
        return receipt

    async def locate(self, remote: Remote) -> str | None:
        """RunPod has no key of ours to ask by: only the hook of a job can tell its id."""
        if remote.receipt is not None or not self._account.hooks.expects(remote.key):
            return remote.receipt
        if self._account.hooks.url(remote.key) is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._account.hook_wait):
                    return await self._told(remote)
        self._unsure.add(remote.key)
        return None

    async def fetch(self, image: Image) -> bytes:
        match image:
            case Attached(data):
                return data
            case Link(url):
                return await self._client.download(url)
            case _:
                raise Passing("file_missing", "an endpoint keeps no files")

    async def cancel(self, remote: Remote) -> None:
        if remote.receipt is not None:
            await self._cancels.cancel(remote.receipt)

    async def _run(self, body: bytes) -> Answer:
        for _ in range(BUSY):
            await asyncio.sleep(self._runs.step(self._clock()))
            try:
                answer = await self._client.call("POST", "/run", body)
            except TooMany as why:
                self._runs.refused(self._clock(), why.seconds)
            else:
                self._runs.answered()
                return answer
        raise NotSent(f"RunPod takes no more jobs for {self.name} for now (HTTP 429)")

    def _request(self, remote: Remote, graph: Graph) -> bytes:
        deadline = self._account.deadline
        body = {
            "input": {"workflow": graph, KEY: remote.key, "darkroom_image": remote.label},
            # The first stops a worker that hangs; the second must leave room for the queue before it, and
            # for a renderer that is away when the job ends.
            "policy": {
                "executionTimeout": _ms(deadline, SHORTEST_RUN),
                "ttl": _ms(2 * deadline + SPARE, SHORTEST_LIFE),
            },
        }
        if (hook := self._account.hooks.url(remote.key)) is not None:
            body["webhook"] = hook
        encoded = json.dumps(body, separators=(",", ":")).encode()
        if len(encoded) > MOST_REQUEST:
            raise Hopeless("request_too_large", "RunPod takes no job of more than 10 MB")
        return encoded

    async def _told(self, remote: Remote) -> str:
        """Hooks are not signed: what they say is asked for and compared."""
        while True:
            receipt = await self._account.hooks.told(remote.key)
            answer = await self._status(receipt)
            if answer.status == 200 and is_ours(answer.body, remote):
                return receipt

    async def _look(self, remote: Remote) -> Sight:
        answer = await self._status(str(remote.receipt))
        if answer.status in _GONE:
            return Sight(Lost())
        if answer.status != 200:
            raise Unreachable(f"RunPod does not say how the job is (HTTP {answer.status}): {_reason(answer)}")
        return Sight(seen_in_status(answer.body, remote), waited(answer.body))

    async def _status(self, receipt: str) -> Answer:
        return await self._client.call("GET", f"/status/{quote(receipt, safe='')}")

    async def _send_cancel(self, receipt: str) -> None:
        await self._client.call("POST", f"/cancel/{quote(receipt, safe='')}")

    async def _feel(self) -> None:
        if self._lookout.jobs:
            # Whether the endpoint is well is for the fleet's own probes to say.
            with suppress(Trouble):
                await self.probe()

    def _absent(self, answer: Answer) -> str:
        return (
            f"RunPod has no endpoint {self._address.endpoint} for this key (HTTP {answer.status}); "
            "check RENDERER_URLS and RUNPOD_API_KEY"
        )


def _ms(seconds: float, shortest: float) -> int:
    return round(min(LONGEST, max(shortest, seconds)) * 1000)


def _reason(answer: Answer) -> str:
    return str(answer.body.get("error") or answer.body.get("message") or "no reason given")
