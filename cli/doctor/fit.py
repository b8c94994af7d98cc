"""The settings: whether each service could start with them, and whether they fit together."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chassis.settings import BadSettings, Settings, read
from cli.doctor.finding import Finding, ok, warning, wrong
from services.__main__ import SERVICES
from services.gateway.settings import LOOPBACK

SETTINGS = "settings"
#: Seconds in which a serverless endpoint may find a machine, pull its image and load a model.
COLD_START = 300.0

#: What `chassis.settings.read` says of one variable: its name, what is wrong, and what it means.
_LINE = re.compile(r"([A-Z_]+|settings):? ?(.*?)(?: \((.*)\))?", re.DOTALL)


async def settings() -> list[Finding]:
    """Of the four services, as the environment has them; asks nobody."""
    known: dict[str, Settings] = {}
    lacking: dict[str, list[str]] = {}
    for service, (kind, _) in SERVICES.items():
        try:
            known[service] = read(kind)
        except BadSettings as why:
            for line in str(why).splitlines():
                lacking.setdefault(line, []).append(service)
    if not known and not any(name in os.environ for name in _required()):
        says = "nothing is set, and no service starts alone"
        return [warning(SETTINGS, says, "`python -m services` makes up what is missing; else see the README")]
    found = [*_refused(lacking), *fit({name: value for one in known.values() for name, value in one}, known)]
    return found or [ok(SETTINGS, "every service can start with them, and they fit together")]


def _required() -> set[str]:
    kinds = [kind for kind, _ in SERVICES.values()]
    return {
        name.upper() for kind in kinds for name, field in kind.model_fields.items() if field.is_required()
    }


def _refused(lacking: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """One for each variable, however the services put it."""
    by_name: dict[str, tuple[str, str, list[str]]] = {}
    for line, services in lacking.items():
        name, says, meaning = _LINE.fullmatch(line).groups()  # type: ignore[union-attr]
        by_name.setdefault(name, (says, meaning or "", []))[2].extend(services)
    for name, (says, meaning, services) in by_name.items():
        yield wrong(name, f"{says}; without it {', '.join(services)} won't start", meaning)


def fit(values: Mapping[str, Any], services: Mapping[str, Any]) -> Iterator[Finding]:
    """What disagrees among those that can be read; `values` by field, of all services that can start."""
    if "renderer" in services:
        yield from _deadlines(values)
        yield from _blobs(values)
    if "gateway" in services:
        yield from _door(values)


def _deadlines(of: Mapping[str, Any]) -> Iterator[Finding]:
    render, image, patience = of["render_deadline"], of["image_deadline"], of["patience_seconds"]
    if render >= image:
        yield wrong(
            "RENDER_DEADLINE",
            f"one try may take {render:g} s, and the image fails after {image:g} s",
            "make IMAGE_DEADLINE several times RENDER_DEADLINE, so that a second try is possible",
        )
    if patience >= render:
        yield warning(
            "PATIENCE_SECONDS",
            f"a silent backend is waited for {patience:g} s, and a try ends after {render:g} s",
            "make it shorter than RENDER_DEADLINE, so that a lost backend is noticed",
        )
    if render < COLD_START and "runpod://" in of["renderer_urls"].get_secret_value():
        yield warning(
            "RENDER_DEADLINE",
            f"{render:g} s are shorter than a cold start of a serverless endpoint may be",
            f"{COLD_START:g} or more, else jobs are cancelled while their machine comes up",
        )
    if of["lease_seconds"] < 3 * of["poll_seconds"]:
        yield warning(
            "LEASE_SECONDS",
            f"a lease of {of['lease_seconds']:g} s, with a look at each job every {of['poll_seconds']:g} s",
            "three times POLL_SECONDS or more: a busy process would be taken for a dead one",
        )


def _blobs(of: Mapping[str, Any]) -> Iterator[Finding]:
    url = of["blobs_url"].get_secret_value()
    if url.startswith("s3:") and not (of.get("aws_access_key_id") and of.get("aws_secret_access_key")):
        yield wrong(
            "BLOBS_URL",
            "a bucket, and no key for it",
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY at renderer and uploader",
        )
    if url.startswith("file:") and of["bus_url"].get_secret_value().startswith("amqp"):
        yield ok("BLOBS_URL", "a folder: every renderer and uploader must see the same one")


def _door(of: Mapping[str, Any]) -> Iterator[Finding]:
    if of["images_per_user"] > of["images_in_all"]:
        yield warning(
            "IMAGES_PER_USER",
            f"one user may have {of['images_per_user']} images under way, all together {of['images_in_all']}",
            "make IMAGES_IN_ALL the larger one, else one user can shut everybody out",
        )
    public = of["host"] not in LOOPBACK
    if public and of["webhook_allow_private"]:
        yield warning(
            "WEBHOOK_ALLOW_PRIVATE",
            "callers of a public gateway can have private addresses called",
            "unset it where callers are not all your own",
        )
    if public and not of["drain_seconds"]:
        yield warning(
            "DRAIN_SECONDS",
            "a gateway that stops turns calls away before a load balancer knows of it",
            "two looks of the load balancer at /ready, 5 s perhaps",
        )
