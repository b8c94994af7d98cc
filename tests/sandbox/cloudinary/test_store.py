import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.cloudinary.asset import Address, Description
from sandbox.cloudinary.images import raw_content
from sandbox.cloudinary.store import AddressTaken, AssetStore, Outcome, Stored

PLACE = Address("raw", "upload", "a/b.txt")
OTHER = Address("raw", "upload", "a/c.txt")


def put(store: AssetStore, data: bytes, place: Address = PLACE, *, overwrite: bool = False) -> Stored:
    return store.put(
        place, data, raw_content(data), Description(tags=("t",), context={"k": "v"}), overwrite=overwrite
    )


def content(store: AssetStore, place: Address = PLACE) -> bytes:
    opened = store.open(place)
    assert opened is not None
    with opened[1] as file:
        return file.read()


@pytest.fixture
def store(tmp_path: Path) -> AssetStore:
    return AssetStore(tmp_path, lambda: 1000.5)


def test_of_many_uploads_at_once_without_overwriting_one_is_stored_and_all_hear_of_it(
    store: AssetStore,
) -> None:
    start = threading.Barrier(8)

    def upload(number: int) -> Stored:
        start.wait()
        return put(store, b"%d" % number)

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(upload, range(8)))
    outcomes = [result.outcome for result in results]
    assert sorted(outcomes) == [Outcome.CREATED] + [Outcome.EXISTING] * 7
    assert len({result.asset.content.etag for result in results}) == 1
    winner = outcomes.index(Outcome.CREATED)
    assert content(store) == b"%d" % winner


def test_an_overwritten_asset_keeps_its_id_and_gets_a_later_version_within_the_same_second(
    store: AssetStore,
) -> None:
    first, second = put(store, b"1").asset, put(store, b"2", overwrite=True).asset
    assert (second.asset_id, second.version, second.overwrites) == (first.asset_id, first.version + 1, 1)
    assert content(store) == b"2"


def test_a_version_is_not_given_twice_even_after_a_deletion(store: AssetStore) -> None:
    first = put(store, b"1").asset
    store.destroy(PLACE)
    assert put(store, b"2").asset.version == first.version + 1


def test_everything_is_there_after_a_restart(store: AssetStore, tmp_path: Path) -> None:
    put(store, b"1")
    put(store, b"2", overwrite=True)
    put(store, b"3", OTHER)
    store.describe(OTHER, lambda known: replace(known, tags=("new",)))
    again = AssetStore(tmp_path, lambda: 1000.5)
    assert set(map(repr, again.all())) == set(map(repr, store.all()))
    assert content(again) == b"2"
    assert put(again, b"4", overwrite=True).asset.version == 1002


def test_what_a_killed_process_left_half_done_is_swept(store: AssetStore, tmp_path: Path) -> None:
    asset = put(store, b"1").asset
    (tmp_path / "incoming" / "half").write_bytes(b"ha")
    (tmp_path / "bytes" / f"{asset.asset_id}.9999").write_bytes(b"of an upload without its record")
    again = AssetStore(tmp_path, lambda: 1000.5)
    assert again.find(PLACE) == asset
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(left) == 2


def test_a_rename_killed_halfway_counts_as_done(store: AssetStore, tmp_path: Path) -> None:
    put(store, b"1")
    (record,) = (tmp_path / "records").iterdir()
    before = record.read_bytes()
    store.rename(PLACE, OTHER, overwrite=False)
    record.write_bytes(before)
    again = AssetStore(tmp_path, lambda: 1000.5)
    assert [asset.address for asset in again.all()] == [OTHER]
    assert content(again, OTHER) == b"1"


def test_a_rename_onto_another_asset_needs_overwrite(store: AssetStore, tmp_path: Path) -> None:
    moved = put(store, b"1").asset
    put(store, b"2", OTHER)
    with pytest.raises(AddressTaken):
        store.rename(PLACE, OTHER, overwrite=False)
    store.rename(PLACE, OTHER, overwrite=True)
    assert [asset.asset_id for asset in store.all()] == [moved.asset_id]
    assert content(store, OTHER) == b"1"
    assert len(list((tmp_path / "bytes").iterdir())) == 1


def test_bytes_that_are_being_read_stay_readable_when_the_asset_goes(store: AssetStore) -> None:
    put(store, b"1")
    opened = store.open(PLACE)
    assert opened is not None
    store.destroy(PLACE)
    with opened[1] as file:
        assert file.read() == b"1"


def test_what_is_not_there_cannot_be_changed_moved_or_destroyed(store: AssetStore) -> None:
    assert store.describe(PLACE, lambda known: known) is None
    assert store.rename(PLACE, OTHER, overwrite=True) is None
    assert store.open(PLACE) is None
    assert not store.destroy(PLACE)
