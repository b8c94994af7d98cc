"""What an S3 store's answer means: nothing there, not now, or not before somebody mends something.

The client library tells status and error code in its text alone, so they are read from there. The body
itself is never quoted: it may repeat what was signed. The codes are those of Amazon's list of S3 error
responses; `XMinio…` are MinIO's, `QuotaExceeded` is Ceph's.
"""

import re

from messaging.errors import Outage

_STATUS = re.compile(r"status code: ([0-9]{3})")
_CODE = re.compile(r"<Code>([A-Za-z0-9]{1,64})</Code>")
_KIND = re.compile(r"kind: (\w{1,30})")
#: Where the library's words end and its own innards begin.
_INNARDS = "\nDebug source:"

_KEYS = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_ROOM = "make room in the bucket, or raise its quota"
_REGION = "set the bucket's region in BLOBS_URL, as ?region=NAME"
_RIGHTS = (
    "give this key the rights to get, put, delete and list in the bucket; without the right to list, a "
    "missing object is refused too"
)

#: What only people can mend, by code.
_REMEDIES = {
    "NoSuchBucket": "make the bucket, or name another in BLOBS_URL",
    "InvalidBucketName": "name the bucket in BLOBS_URL as the store knows it",
    "AccessDenied": _RIGHTS,
    "AllAccessDisabled": _RIGHTS,
    "AccountProblem": "ask the provider what is wrong with the account",
    "InvalidAccessKeyId": _KEYS,
    "SignatureDoesNotMatch": _KEYS,
    "ExpiredToken": _KEYS,
    "InvalidToken": _KEYS,
    "AuthorizationHeaderMalformed": _REGION,
    "PermanentRedirect": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "InvalidRegion": _REGION,
}
#: What people mend too, but what comes and goes in a store that was set up well.
_PASSING = {
    "RequestTimeTooSkewed": "set this machine's clock, or the store's: they are more than 15 minutes apart",
    "QuotaExceeded": _ROOM,
    "EntityTooLarge": _ROOM,
    "XMinioAdminBucketQuotaExceeded": _ROOM,
    "XMinioStorageFull": _ROOM,
}
_REFUSING = frozenset({301, 307, 308, 401, 403})
_FULL = 507


class Refused(Outage):
    """The store answers, and will give the same answer until somebody does what the reason says."""


def judged(text: str, place: str) -> Outage | None:
    """None where the store says in so many words that there is no such object. Anything else that is called
    not found (a bucket, a page of some server in between) is no word about the object."""
    said = text.partition(_INNARDS)[0]
    status = int(found[1]) if (found := _STATUS.search(said)) else None
    code = found[1] if (found := _CODE.search(said)) else ""
    if status is None:
        return _unanswered(text, said, place)
    if status == 404 and code == "NoSuchKey":
        return None
    answer = f"blob store {place}: HTTP {status} {code}".rstrip()
    if code in _PASSING or status == _FULL:
        return Outage(f"{answer}; {_PASSING.get(code, _ROOM)}")
    if code in _REMEDIES or status in _REFUSING:
        return Refused(f"{answer}; {_REMEDIES.get(code, f'{_KEYS}, and the endpoint in BLOBS_URL')}")
    if status == 404:
        return Refused(f"{answer}; check the endpoint in BLOBS_URL: what answers there is no S3 store")
    return Outage(answer)


def _unanswered(text: str, said: str, place: str) -> Outage:
    if "redirect" in said.lower():
        return Refused(f"blob store {place}: redirected elsewhere; {_REGION}")
    kind = found[1].lower() if (found := _KIND.search(text)) else "unknown"
    return Outage(f"blob store {place}: no answer ({kind})")
