"""A checker that finds nothing must have looked: a breach of every kind is planted, and found."""

import ast
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.system import checker, specimen
from tests.chaos.system.checker import ended, kept, letters, numbered, paid
from tests.chaos.system.checker.judgement import LETTERS, PROMISES, Ruling
from tests.chaos.system.evidence import Asset, Blow, Evidence, Struck, Submit
from tests.chaos.system.specimen import (
    BLANK,
    ENDPOINT,
    FOLDER,
    FOREIGN,
    GONE,
    MENDED,
    MOVED,
    OMITTED,
    PLAIN,
    POD,
    SERVERLESS,
    STEM,
    STOPPED,
    asset_of,
    changed,
    lying,
    more,
    with_rows,
    without,
)

IMAGES, JOBS, CHANGES = "gateway.images", "renderer.jobs", "gateway.changes"
ROOM = Path(__file__).parent


def added(asset: Asset) -> Evidence:
    found = specimen.specimen()
    return replace(found, assets=[*found.assets, asset])


def ordered(prefix: str, *, at: float = 110.0, serverless: bool = False) -> Evidence:
    found = specimen.specimen()
    job = Submit(ENDPOINT if serverless else POD, serverless, prefix, at)
    return replace(found, submits=[*found.submits, job])


def told(batch_id: str, *words: str, at: float = 500.0) -> Evidence:
    rows = [row for row in specimen.specimen().tables[CHANGES] if row["batch_id"] != batch_id]
    rows += [
        {
            "id": 100 + place,
            "batch_id": batch_id,
            "kind": "image",
            "body": json.dumps({"ordinal": 0, "status": word}),
            "at": at,
        }
        for place, word in enumerate(words)
    ]
    return with_rows(CHANGES, rows)


PLANTED: list[tuple[Ruling, Callable[[], Evidence], str]] = [
    (numbered.reservations, lambda: without("indexer.reservations", "plain"), "numbered as None"),
    (numbered.reservations, lambda: changed("indexer.reservations", "plain", quantity=2), "numbered as"),
    (
        numbered.reservations,
        lambda: more(
            "indexer.reservations", {"batch_id": "odd", "folder": FOLDER, "first": 50, "quantity": 1}
        ),
        "accepted as None",
    ),
    (numbered.repetitions, lambda: changed("indexer.reservations", "plain", first=2), "number 2"),
    (numbered.repetitions, lambda: changed("indexer.reassignments", "moved", new_index=4), "number 4"),
    (numbered.repetitions, lambda: changed(IMAGES, "plain", idx=7), "readers see it at 7"),
    (
        numbered.gaps,
        lambda: with_rows("indexer.counters", [{"folder": FOLDER, "next_index": 11}]),
        "number 10",
    ),
    (numbered.gaps, lambda: with_rows("indexer.counters", [{"folder": FOLDER, "next_index": 9}]), "above"),
    (numbered.mirrors, lambda: replace(specimen.specimen(), assets=specimen.specimen().assets[:-1]), "None"),
    (
        numbered.mirrors,
        lambda: with_rows("indexer.counters", [{"folder": FOLDER, "next_index": 11}]),
        "index.txt says 10",
    ),
    (ended.images, lambda: without(IMAGES, "plain"), "is lost"),
    (ended.images, lambda: changed(IMAGES, "plain", status="queued"), "is queued"),
    (ended.images, lambda: changed(IMAGES, "plain", status="canceled"), "is canceled"),
    (ended.images, lambda: changed(IMAGES, "blank", status="succeeded"), "is succeeded"),
    (ended.images, lambda: changed(IMAGES, "omitted", status="placeholder"), "is placeholder"),
    (ended.images, lambda: changed(IMAGES, "mended", status="placeholder"), "is placeholder"),
    (ended.images, lambda: changed(IMAGES, "gone", status="succeeded"), "is succeeded"),
    (ended.images, lambda: changed(IMAGES, "blank", failure=None), "does not say why"),
    (
        ended.images,
        lambda: more(IMAGES, {**specimen.specimen().tables[IMAGES][0], "batch_id": "odd"}),
        "never asked for",
    ),
    (ended.batches, lambda: without("gateway.batches", "plain"), "is lost"),
    (ended.batches, lambda: changed("gateway.batches", "plain", finished_at=None), "never finished"),
    (ended.batches, lambda: changed("gateway.batches", "plain", quantity=2), "kept as 2 images"),
    (ended.job_book, lambda: changed(JOBS, "plain", ended_at=None, state="running"), "is running"),
    (ended.job_book, lambda: changed(JOBS, "plain", announced=False), "announced: False"),
    (ended.job_book, lambda: without(JOBS, "plain"), "jobs in rounds []"),
    (
        ended.outbox,
        lambda: more("gateway.outbox", {"route": "GenerateBatch.v1", "batch_id": "plain"}),
        "never answered",
    ),
    (ended.event_log, lambda: told("plain", "queued"), "the event log ends with"),
    (ended.event_log, lambda: told("plain", "succeeded", "failed", "succeeded"), "was told as"),
    (ended.event_log, lambda: told("plain", "succeeded", at=199.0), "1.000 s before it was"),
    (ended.refusals, lambda: changed("gateway.batches", "refused", rejected=None), "had to be refused"),
    (ended.answers, lambda: replace(specimen.specimen(), answers=["GET /v1/batches: 500"]), "500"),
    (kept.stored, lambda: lying(PLAIN, context={}), "lies in 0 assets"),
    (kept.stored, lambda: added(replace(asset_of(PLAIN), public_id=f"{FOLDER}/{STEM}77")), "in 2 assets"),
    (kept.stored, lambda: lying(PLAIN, md5="1" * 32), "readers says"),
    (kept.stored, lambda: lying(PLAIN, made_for=MOVED.prefix), "its graph says ('moved', 0)"),
    (kept.stored, lambda: lying(PLAIN, made_for=None), "its graph says None"),
    (kept.stored, lambda: replace(specimen.specimen(), pictures={}), "its graph says None"),
    (kept.stored, lambda: lying(PLAIN, tags=("placeholder",)), "its tags says True"),
    (kept.stored, lambda: lying(PLAIN, context={**asset_of(PLAIN).context, "index": "2"}), "its number"),
    (kept.stored, lambda: changed("uploader.assets", "plain", state="claimed"), "the ledger says"),
    (kept.stored, lambda: changed("uploader.assets", "plain", md5="1" * 32), "the ledger says"),
    (kept.stored, lambda: without("uploader.assets", "plain"), "the ledger says"),
    (
        kept.deleted,
        lambda: added(
            replace(
                asset_of(PLAIN),
                public_id=GONE.public_id,
                context={"batch": "gone", "ordinal": "0", "index": "6"},
            )
        ),
        "still lies there",
    ),
    (
        kept.deleted,
        lambda: added(
            replace(
                asset_of(PLAIN),
                public_id=OMITTED.public_id,
                context={"batch": "omitted", "ordinal": "0", "index": "7"},
            )
        ),
        "is failed",
    ),
    (kept.strays, lambda: added(replace(asset_of(PLAIN), public_id="x", context={})), "belongs to nobody"),
    (kept.foreign, lambda: replace(specimen.specimen(), foreign={FOREIGN: "e" * 32}), "somebody's own"),
    (kept.foreign, lambda: replace(specimen.specimen(), foreign={f"{FOREIGN}0": "e" * 32}), "somebody's own"),
    (kept.overwrites, lambda: lying(PLAIN, overwrites=1), "1 times, 0 were allowed"),
    (kept.overwrites, lambda: lying(MENDED, overwrites=2), "2 times, 1 were allowed"),
    (kept.overwrites, lambda: lying(BLANK, overwrites=1), "1 times, 0 were allowed"),
    (kept.twins, lambda: lying(MOVED, md5=PLAIN.digest), "are one picture"),
    (paid.accounted, lambda: ordered(PLAIN.prefix), "2 jobs"),
    (paid.accounted, lambda: ordered(SERVERLESS.prefix, serverless=True), "2 jobs"),
    (paid.accounted, lambda: ordered(PLAIN.prefix.replace("/1/", "/1.2/")), "2 jobs"),
    (paid.after_its_end, lambda: ordered(PLAIN.prefix, at=201.0), "1.0 s after it was stored"),
    (paid.of_nobody, lambda: ordered(f"unknown/1/{STEM}1"), "nobody asked for"),
    (letters.dead, lambda: replace(specimen.specimen(), dead=()), "not among the dead letters"),
    (letters.dead, lambda: replace(specimen.specimen(), hopeless=frozenset()), "should have lived"),
    (letters.waiting, lambda: replace(specimen.specimen(), waiting={"wait.1s": 2}), "2 messages wait"),
    (letters.finished, lambda: replace(specimen.specimen(), finished={}), "nobody was told"),
    (letters.finished, lambda: changed(IMAGES, "stopped", status="succeeded"), "nobody was told"),
    (letters.told, lambda: replace(specimen.specimen(), told={}), "was told []"),
    (
        letters.told,
        lambda: replace(
            specimen.specimen(), told={("plain", 0): {(PLAIN.public_id, PLAIN.digest), ("b", "c")}}
        ),
        "was told",
    ),
]


def test_what_is_as_it_should_be_is_not_blamed() -> None:
    assert checker.breaches(specimen.specimen()) == []


@pytest.mark.parametrize(("ruling", "planted", "word"), PLANTED)
def test_a_planted_breach_is_found(ruling: Ruling, planted: Callable[[], Evidence], word: str) -> None:
    assert any(word in each for each in ruling(planted()))
    assert any(word in each for each in checker.breaches(planted()))


def test_a_placeholder_may_look_like_another_of_the_same_name_and_number() -> None:
    assert kept.twins(lying(BLANK, md5=PLAIN.digest)) == []


def test_every_ruling_has_a_breach_planted_for_it() -> None:
    rulings = {ruling for each in (PROMISES, LETTERS) for several in each.values() for ruling in several}
    assert rulings == {ruling for ruling, _, _ in PLANTED}


@pytest.mark.parametrize(
    "reason",
    [
        Struck(POD, "vanish", 105.0, (PLAIN.prefix,)),
        Struck(POD, "restart", 101.5),
        Struck(POD, "file_vanishes", 102.0, (PLAIN.prefix.replace("/1/", "/1.1/"),)),
    ],
)
def test_a_second_job_that_replaces_what_was_lost_is_no_breach(reason: Struck) -> None:
    again = ordered(PLAIN.prefix)
    assert paid.accounted(replace(again, struck=[reason])) == []
    elsewhere = replace(reason, backend="http://other", prefixes=(MOVED.prefix,))
    assert paid.accounted(replace(again, struck=[elsewhere])) != []


def test_an_answer_that_an_endpoint_could_not_give_may_cost_a_second_job_and_a_pods_may_not() -> None:
    lost = Struck(ENDPOINT, "drop_after", 101.0, (SERVERLESS.prefix,), "/run")
    assert paid.accounted(replace(ordered(SERVERLESS.prefix, serverless=True), struck=[lost])) == []
    lost = Struck(POD, "drop_after", 101.0, (PLAIN.prefix,), "/prompt")
    assert paid.accounted(replace(ordered(PLAIN.prefix), struck=[lost])) != []


def test_a_kill_excuses_a_second_job_at_an_endpoint_alone_and_near_its_time_alone() -> None:
    soon, late = Blow("killed", "renderer-1", 101.2, 101.3), Blow("killed", "renderer-1", 300.0, 301.0)
    twice = ordered(SERVERLESS.prefix, serverless=True)
    assert paid.accounted(replace(twice, blows=[soon])) == []
    assert paid.accounted(replace(twice, blows=[late])) != []
    assert paid.accounted(replace(ordered(PLAIN.prefix), blows=[soon])) != []


def test_the_table_counts_what_there_is() -> None:
    table = checker.table(specimen.specimen())
    counts = {"stored": 4, "placeholders": 1, "failed": 1, "cancelled": 1, "deleted": 1, "lost": 0}
    for word, count in counts.items():
        assert f"{word}  {count}\n" in table
    assert "lost  1\n" in checker.table(without(IMAGES, STOPPED.batch_id))


@pytest.mark.parametrize("path", [*ROOM.glob("checker/*.py"), ROOM / "evidence.py", ROOM / "gathering.py"])
def test_whoever_judges_imports_nothing_of_those_who_are_judged(path: Path) -> None:
    allowed = {*sys.stdlib_module_names, "asyncpg", "httpx"}
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            assert name.partition(".")[0] in allowed or name.startswith("tests.chaos.system."), name
