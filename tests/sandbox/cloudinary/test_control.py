from tests.sandbox.cloudinary.account import Account, png


async def test_rules_are_listed_with_what_they_did_and_cleared(account: Account) -> None:
    await account.fault(kind="error_500", calls=["ping"], count=1)
    for _ in range(2):
        await account.http.get("/v1_1/darkroom/ping")
    (line,) = (await account.http.get("/sandbox/faults")).json()["faults"]
    assert line == {"kind": "error_500", "calls": ["ping"], "matched": 1, "applied": 1}
    assert (await account.http.delete("/sandbox/faults")).status_code == 204
    assert (await account.http.get("/sandbox/faults")).json() == {"faults": []}
    assert (await account.stats())["faults"] == {"error_500": 1}


async def test_a_list_of_rules_is_installed_whole_or_not_at_all(account: Account) -> None:
    rules = [{"kind": "drop"}, {"kind": "flood"}]
    refused = await account.http.post("/sandbox/faults", json=rules)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["loc"] == [1, "kind"]
    assert (await account.http.get("/sandbox/faults")).json() == {"faults": []}
    assert (await account.http.post("/sandbox/faults", json=rules[:1])).status_code == 201
    assert (await account.http.post("/sandbox/faults", content=b"nonsense")).status_code == 422


async def test_every_asset_is_listed_with_how_often_it_was_overwritten(account: Account) -> None:
    await account.upload(png("red"), public_id="a")
    stored = await account.upload(png("blue"), public_id="a", context={"k": "v"})
    await account.upload(b"1", public_id="a.txt", resource_type="raw")
    image, raw = await account.assets()
    assert {name: image[name] for name in ("public_id", "etag", "bytes", "version", "asset_id")} == {
        name: stored[name] for name in ("public_id", "etag", "bytes", "version", "asset_id")
    }
    assert (image["overwrites"], image["context"], image["resource_type"]) == (1, {"k": "v"}, "image")
    assert (raw["overwrites"], raw["resource_type"]) == (0, "raw")


async def test_stats_count_what_happened(account: Account) -> None:
    for overwrite in (False, False, True):
        await account.upload(png(), public_id="a", overwrite=overwrite)
    await account.admin("ping")
    stats = await account.stats()
    assert (stats["uploads"], stats["existing"], stats["overwrites"], stats["assets"]) == (1, 1, 1, 1)
    assert stats["admin_calls"] == 1
    assert stats["calls"] == {"upload": 3, "ping": 1}
