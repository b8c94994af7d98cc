import re
import time
from typing import Any

import pytest
from cloudinary.exceptions import (
    AuthorizationRequired,
    BadRequest,
    Error,
    GeneralError,
    NotAllowed,
    RateLimited,
)

from tests.sandbox.cloudinary.account import Account, png


@pytest.mark.parametrize(
    ("rule", "error", "message"),
    [
        ({"kind": "drop"}, Error, "ProtocolError"),
        ({"kind": "html_502"}, Error, r"Error parsing server response \(502\)"),
        ({"kind": "error_500"}, GeneralError, "Internal server error"),
        ({"kind": "error_503", "message": "later"}, GeneralError, "later"),
        ({"kind": "limited_420"}, RateLimited, r"reached\.$"),
        (
            {"kind": "limited_420", "reset_seconds": 60},
            RateLimited,
            r"Try again on \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC",
        ),
        ({"kind": "limited_429"}, RateLimited, "Rate Limit"),
        ({"kind": "unauthorized"}, AuthorizationRequired, "credentials"),
        ({"kind": "forbidden"}, NotAllowed, "Not allowed"),
        ({"kind": "refused", "message": "File size too large."}, BadRequest, r"^File size too large\.$"),
        ({"kind": "stale"}, BadRequest, "Stale request"),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("after_commit", [False, True])
async def test_a_fault_looks_to_the_sdk_as_in_the_field(
    account: Account, rule: dict[str, Any], error: type[Error], message: str, after_commit: bool
) -> None:
    await account.fault(**rule, calls=["upload"], public_id="a", after_commit=after_commit)
    with pytest.raises(error, match=message):
        await account.upload(png(), public_id="a", overwrite=False)
    assert len(await account.assets()) == int(after_commit)
    assert (await account.upload(png(), public_id="a", overwrite=False))["existing"] is after_commit


async def test_a_5xx_without_an_error_field_passes_for_success_in_the_sdk(account: Account) -> None:
    await account.fault(kind="no_error_field")
    answer = await account.upload(png(), public_id="a")
    answer.pop("request_id")
    assert answer == {"status": "error"}
    assert await account.assets() == []


async def test_a_list_for_a_body_breaks_the_sdk(account: Account) -> None:
    await account.fault(kind="list_body")
    with pytest.raises(TypeError):
        await account.upload(png(), public_id="a")


async def test_the_reset_time_is_in_the_headers_only_when_it_is_told(account: Account) -> None:
    await account.fault(kind="limited_429", reset_seconds=30)
    await account.fault(kind="limited_429")
    told, untold = [await account.http.get("/v1_1/darkroom/ping") for _ in range(2)]
    assert told.headers["retry-after"] == "30"
    assert re.search("GMT$", told.headers["x-featureratelimit-reset"])
    assert not {"retry-after", "x-featureratelimit-reset"} & set(untold.headers)


async def test_latency_delays_the_true_answer(account: Account) -> None:
    await account.fault(kind="latency", delay_seconds=0.2)
    started = time.monotonic()
    assert (await account.admin("ping"))["status"] == "ok"
    assert time.monotonic() - started >= 0.2


async def test_a_delivery_may_fail_too(account: Account) -> None:
    url = (await account.upload(png(), public_id="a"))["secure_url"]
    await account.fault(kind="error_503", calls=["deliver"], public_id="a")
    assert [(await account.http.get(url)).status_code for _ in range(2)] == [503, 200]
