"""A small run in which everything was as it should be, for planting breaches into."""

import json
from dataclasses import dataclass, replace
from hashlib import md5
from typing import Any, Literal

from tests.chaos.system.evidence import Asked, Asset, Blow, Evidence, Row, Struck, Submit

FOLDER, STEM = "Areg/characters/iron-lily/images", "Areg_iron-lily_image_"
FOREIGN = f"{FOLDER}/{STEM}8"
POD, ENDPOINT = "http://pod", "http://runpod/v2/e"


@dataclass(frozen=True)
class Image:
    """One batch of one image, as it ended."""

    batch_id: str
    number: int
    status: str
    round: int = 1
    fails: Literal["never", "first", "always"] = "never"
    on_failure: Literal["placeholder", "omit"] = "placeholder"
    moved_from: int | None = None
    serverless: bool = False

    @property
    def name(self) -> str:
        return f"{STEM}{self.number}"

    @property
    def public_id(self) -> str:
        return f"{FOLDER}/{self.name}"

    @property
    def digest(self) -> str:
        return md5(self.name.encode(), usedforsecurity=False).hexdigest()

    @property
    def first(self) -> int:
        return self.moved_from or self.number

    @property
    def prefix(self) -> str:
        """Of its last job."""
        return f"{self.batch_id}/{self.round}/{STEM}{self.first}"


PLAIN = Image("plain", 1, "succeeded")
SERVERLESS = Image("serverless", 2, "succeeded", serverless=True)
MENDED = Image("mended", 3, "succeeded", round=2, fails="first")
BLANK = Image("blank", 4, "placeholder", fails="always")
STOPPED = Image("stopped", 5, "canceled")
GONE = Image("gone", 6, "deleted")
OMITTED = Image("omitted", 7, "failed", fails="always", on_failure="omit")
MOVED = Image("moved", 9, "succeeded", moved_from=8)
IMAGES = (PLAIN, SERVERLESS, MENDED, BLANK, STOPPED, GONE, OMITTED, MOVED)


def specimen() -> Evidence:
    return Evidence(
        asked=[_asked(image) for image in IMAGES],
        refused=frozenset({"refused"}),
        hopeless=frozenset({b"nonsense"}),
        dead=[("indexer.GenerateBatch.dead", b"nonsense")],
        foreign={FOREIGN: "f" * 32},
        assets=[*(_asset(image) for image in IMAGES if _lies(image)), _foreign(), _mirror("10")],
        tables=_tables(),
        submits=[_submit(image, round_) for image in IMAGES for round_ in range(1, image.round + 1)],
        struck=[Struck(POD, "node_error", 100.5, (f"mended/1/{STEM}3",))],
        blows=[Blow("killed", "gateway-1", 90.0, 91.0)],
        pictures={SERVERLESS.digest: SERVERLESS.prefix},
        told={(image.batch_id, 0): {(image.public_id, image.digest)} for image in IMAGES if _made(image)},
        finished={image.batch_id: [_finished(image)] for image in IMAGES},
    )


def changed(table: str, batch_id: str, **columns: Any) -> Evidence:
    """The specimen with these columns of a batch's row as they should not be."""
    rows = [
        row | columns if row.get("batch_id") == batch_id else row
        for row in map(dict, specimen().tables[table])
    ]
    return with_rows(table, rows)


def without(table: str, batch_id: str) -> Evidence:
    rows = specimen().tables[table]
    return with_rows(table, [row for row in rows if row.get("batch_id") != batch_id])


def more(table: str, row: Row) -> Evidence:
    return with_rows(table, [*specimen().tables[table], row])


def with_rows(table: str, rows: list[Any]) -> Evidence:
    return replace(specimen(), tables={**specimen().tables, table: rows})


def lying(image: Image, **fields: Any) -> Evidence:
    """The specimen with another asset in the place of this image's."""
    found = specimen()
    assets = [replace(each, **fields) if each.public_id == image.public_id else each for each in found.assets]
    return replace(found, assets=assets)


def asset_of(image: Image) -> Asset:
    return next(each for each in specimen().assets if each.public_id == image.public_id)


def _made(image: Image) -> bool:
    return image.status in ("succeeded", "deleted")


def _lies(image: Image) -> bool:
    return image.status in ("succeeded", "placeholder")


def _asked(image: Image) -> Asked:
    return Asked(
        batch_id=image.batch_id,
        username="Areg",
        folder=FOLDER,
        stem=STEM,
        quantity=1,
        by="http",
        fails=image.fails,
        on_failure=image.on_failure,
        cancelled=image is STOPPED,
        retried=image is MENDED,
        deleted={0} if image is GONE else set(),
    )


def _asset(image: Image) -> Asset:
    context = {"batch": image.batch_id, "ordinal": "0", "index": str(image.number)}
    blank = image.status == "placeholder"
    return Asset(
        kind="image",
        public_id=image.public_id,
        md5=image.digest,
        overwrites=int(image is MENDED),
        context=context,
        tags=("darkroom", *(["placeholder"] if blank else [])),
        uploaded_at=200.0,
        made_for=None if blank or image.serverless else image.prefix,
    )


def _foreign() -> Asset:
    return Asset("image", FOREIGN, "f" * 32, 0, {}, (), 150.0)


def _mirror(text: str) -> Asset:
    return Asset("raw", f"{FOLDER}/index.txt", "0" * 32, 7, {}, (), 300.0, text=text)


def _submit(image: Image, round_: int) -> Submit:
    prefix = image.prefix.replace(f"/{image.round}/", f"/{round_}/")
    backend = ENDPOINT if image.serverless else POD
    return Submit(backend, image.serverless, prefix, 100.0 + round_, ((100.1 + round_, 100.9 + round_),))


def _finished(image: Image) -> dict[str, Any]:
    return {"results": [{"ordinal": 0, "status": image.status}]}


def _tables() -> dict[str, list[Row]]:
    return {
        "indexer.counters": [{"folder": FOLDER, "next_index": 10}],
        "indexer.reservations": [
            {"batch_id": image.batch_id, "folder": FOLDER, "first": image.first, "quantity": 1}
            for image in IMAGES
        ],
        "indexer.reassignments": [
            {"batch_id": "moved", "ordinal": 0, "old_index": 8, "new_index": 9, "folder": FOLDER}
        ],
        "renderer.jobs": [_job(image, round_) for image in IMAGES for round_ in range(1, image.round + 1)],
        "uploader.assets": [_ledger(image) for image in IMAGES if _made(image) or image is BLANK],
        "gateway.batches": [
            *(_batch(image) for image in IMAGES),
            {"batch_id": "refused", "username": "Areg", "rejected": "{}", "finished_at": 1.0, "quantity": 1},
        ],
        "gateway.images": [_image(image) for image in IMAGES],
        "gateway.outbox": [],
        "gateway.changes": [
            {
                "id": number,
                "batch_id": image.batch_id,
                "kind": "image",
                "body": json.dumps({"ordinal": 0, "status": status}),
                "at": 201.0 + number,
            }
            for number, (image, status) in enumerate(
                (image, status) for image in IMAGES for status in ("queued", image.status)
            )
        ],
    }


def _job(image: Image, round_: int) -> Row:
    key = {"batch_id": image.batch_id, "ordinal": 0, "round": round_}
    return {**key, "state": "done", "ended_at": 150.0, "announced": True}


def _ledger(image: Image) -> Row:
    return {
        "batch_id": image.batch_id,
        "ordinal": 0,
        "state": "deleted" if image is GONE else "stored",
        "public_id": image.public_id,
        "md5": image.digest,
        "placeholder": image is BLANK,
        "placeholder_md5s": "0" * 32 if image in (BLANK, MENDED) else "",
    }


def _batch(image: Image) -> Row:
    return {
        "batch_id": image.batch_id,
        "username": "Areg",
        "quantity": 1,
        "finished_at": 300.0,
        "rejected": None,
    }


def _image(image: Image) -> Row:
    said = json.dumps({"public_id": image.public_id, "md5": image.digest})
    failed = image.status in ("placeholder", "failed", "canceled")
    return {
        "batch_id": image.batch_id,
        "ordinal": 0,
        "idx": image.number,
        "round": image.round,
        "status": image.status,
        "picture": said if _made(image) else None,
        "placeholder": said if image is BLANK else None,
        "failure": json.dumps({"code": "node_error", "detail": "a storm"}) if failed else None,
    }
