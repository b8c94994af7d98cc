"""How an asset looks in the answers of the Upload, Admin and Search APIs."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import md5
from typing import Any
from urllib.parse import quote

from sandbox.cloudinary.asset import Asset
from sandbox.cloudinary.settings import CloudinarySettings
from sandbox.cloudinary.signature import delivery_signatures, digest, string_to_sign
from sandbox.cloudinary.transformations import split_format

Answer = dict[str, Any]
_ALWAYS = frozenset({"asset_id", "public_id", "resource_type", "type"})


@dataclass(frozen=True, slots=True)
class Presenter:
    """Writes assets for one account, with URLs that resolve under `base_url`."""

    settings: CloudinarySettings
    base_url: str

    def uploaded(self, asset: Asset, algorithm: str = "sha1") -> Answer:
        """The answer to an upload, explicit or rename; signed so that a client can verify it."""
        signed = {"public_id": asset.public_id, "version": str(asset.version)}
        return {
            **self._core(asset),
            "version_id": md5(asset.blob.encode(), usedforsecurity=False).hexdigest(),
            "signature": digest(string_to_sign("", signed), self.settings.api_secret, algorithm),
            "tags": list(asset.description.tags),
            "etag": asset.content.etag,
            "placeholder": False,
            "original_filename": asset.description.original_filename,
            "api_key": self.settings.api_key,
            **_context(asset),
            **({"eager": self._derived(asset)} if asset.description.eager else {}),
        }

    def detailed(self, asset: Asset) -> Answer:
        """The answer about one asset of the Admin API."""
        tags = {"tags": list(asset.description.tags)} if asset.description.tags else {}
        last = {"last_updated": {"updated_at": moment(asset.uploaded_at)}}
        return {
            **self._core(asset),
            "etag": asset.content.etag,
            **tags,
            **_context(asset),
            **last,
            "derived": [
                {**one, "id": md5(one["url"].encode(), usedforsecurity=False).hexdigest()}
                for one in self._derived(asset)
            ],
        }

    def listed(self, asset: Asset, *, tags: bool, context: bool, fields: Iterable[str] = ()) -> Answer:
        """One line of an Admin listing. Its etag is there only where `fields` asks for it."""
        wanted = set(fields)
        full = {**self._core(asset), "etag": asset.content.etag, "tags": list(asset.description.tags)}
        full.update(_context(asset))
        if wanted:
            return {name: value for name, value in full.items() if name in wanted | _ALWAYS}
        hidden = {"etag"} | ({"tags"} if not tags else set()) | ({"context"} if not context else set())
        return {name: value for name, value in full.items() if name not in hidden}

    def found(self, asset: Asset, with_fields: Iterable[str], fields: Iterable[str]) -> Answer:
        """One line of a Search answer."""
        wanted, extra = set(fields), set(with_fields)
        custom = dict(asset.description.context)
        full = {
            **self._core(asset),
            "filename": asset.public_id.rsplit("/", 1)[-1],
            "status": "active",
            "uploaded_at": moment(asset.uploaded_at),
            "etag": asset.content.etag,
            "tags": list(asset.description.tags),
            "context": custom,
            "image_metadata": {},
        }
        if wanted:
            return {name: value for name, value in full.items() if name in wanted | _ALWAYS}
        hidden = {"tags", "context", "image_metadata"} - extra
        return {name: value for name, value in full.items() if name not in hidden}

    def url(self, asset: Asset, transformation: str = "", kind: str | None = None) -> str:
        """Signed where the delivery type asks for it, as in the service's own answers."""
        extension = f".{target}" if (target := kind or asset.content.format) else ""
        source = f"{quote(asset.public_id)}{extension}"
        signed = "/".join(part for part in (transformation, source) if part)
        signature = "" if asset.address.type == "upload" else f"s--{self._signature(signed)}--"
        place = (self.settings.cloud_name, asset.address.resource_type, asset.address.type)
        parts = (self.base_url, *place, signature, transformation, f"v{asset.version}", source)
        return "/".join(part for part in parts if part)

    def _signature(self, signed: str) -> str:
        return next(delivery_signatures(signed, self.settings.api_secret))

    def _derived(self, asset: Asset) -> list[Answer]:
        """What was made ahead. Images that a URL asks for later are made anew here, and not listed."""
        found = []
        for transformation, target in map(split_format, asset.description.eager):
            kind = target or asset.content.format
            url = self.url(asset, transformation, kind)
            found.append({"transformation": transformation, "format": kind, "url": url, "secure_url": url})
        return found

    def _core(self, asset: Asset) -> Answer:
        content, url = asset.content, self.url(asset)
        pixels = {"format": content.format, "width": content.width, "height": content.height}
        return {
            "asset_id": asset.asset_id,
            "public_id": asset.public_id,
            "version": asset.version,
            "resource_type": asset.address.resource_type,
            "type": asset.address.type,
            **({} if content.format is None else pixels),
            "created_at": moment(asset.created_at),
            "bytes": content.bytes,
            "url": url,
            "secure_url": url,
            **self._folder(asset),
        }

    def _folder(self, asset: Asset) -> Answer:
        if self.settings.folder_mode == "fixed":
            return {"folder": asset.public_id.rpartition("/")[0]}
        return {
            "asset_folder": asset.description.asset_folder,
            "display_name": asset.description.display_name,
        }


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _context(asset: Asset) -> Answer:
    return {"context": {"custom": dict(asset.description.context)}} if asset.description.context else {}
