"""How one image is bound into a graph."""

from typing import Any

import pytest

from contracts.commands import Character
from services.renderer.adapters.workflows import load
from services.renderer.domain.jobs import Batch, Job, Key
from services.renderer.domain.troubles import Hopeless
from services.renderer.domain.workflows import bind
from tests.services.renderer.requests import OPAL, reserved
from tests.services.renderer.stage import WORKFLOWS

PORTRAIT = load(WORKFLOWS / "portrait")
CARD = load(WORKFLOWS / "colour-card")


def job(ordinal: int = 0, seed: int | None = None, tries: int = 0, **wishes: Any) -> Job:
    batch = reserved(quantity=3, first=5, seed=seed, **wishes)
    return Job(
        key=Key("b1", ordinal, 2),
        batch=Batch(batch.request, batch.folder, batch.first, 4, seed=1000),
        created_at=0.0,
        tries=tries,
        backend="one",
        remote_id="id",
        submitted_at=0.0,
        fresh=True,
    )


def inputs(node: str, *asked: Any, **wishes: Any) -> dict[str, Any]:
    found: dict[str, Any] = bind(PORTRAIT, job(**wishes), asked).graph[node]["inputs"]
    return found


def test_prompts_size_seed_and_name_go_where_the_workflow_says() -> None:
    asked: dict[str, Any] = {"prompt": "a queen", "negative_prompt": "blur", "width": 128, "height": 256}
    graph = bind(PORTRAIT, job(ordinal=2, **asked), ()).graph
    assert graph["6"]["inputs"]["text"] == "a queen"
    assert graph["7"]["inputs"]["text"] == "blur"
    assert (graph["5"]["inputs"]["width"], graph["5"]["inputs"]["height"]) == (128, 256)
    assert graph["3"]["inputs"]["seed"] == 1002
    assert graph["9"]["inputs"]["filename_prefix"] == "b1/2/Areg_opal-fever_image_0007"


def test_binding_leaves_the_workflow_as_it_was() -> None:
    bind(PORTRAIT, job(prompt="a queen"), ())
    assert PORTRAIT.graph["6"]["inputs"]["text"] == ""


def test_a_later_try_saves_elsewhere_under_the_same_name() -> None:
    assert job(tries=2).filename_prefix == "b1/2.2/Areg_opal-fever_image_0005"


def test_seeds_count_up_and_stay_within_what_samplers_take() -> None:
    assert [job(n, seed=2**64 - 1).seed for n in range(3)] == [2**64 - 1, 0, 1]
    assert bind(CARD, job(1, seed=2**24 - 1), ()).graph["1"]["inputs"]["color"] == 0


def test_a_style_adds_its_words_and_sets_what_the_request_does_not() -> None:
    assert inputs("6", prompt="a queen", style="noir")["text"].startswith("a queen, black and white")
    assert inputs("3", style="noir")["steps"] == 30
    assert inputs("3", style="noir", parameters={"steps": 9})["steps"] == 9


def test_an_embedding_joins_the_prompt_where_it_is_offered() -> None:
    character = Character(id="o", name=OPAL.name, collection=OPAL.collection, embedding="opal")
    bound = bind(PORTRAIT, job(prompt="a queen", character=character), {"opal"})
    assert bound.graph["6"]["inputs"]["text"] == "embedding:opal, a queen"
    assert bound.used_embedding
    without = bind(PORTRAIT, job(prompt="a queen", character=character), {"other"})
    assert (without.graph["6"]["inputs"]["text"], without.used_embedding) == ("a queen", False)
    assert not bind(CARD, job(character=character), {"opal"}).used_embedding


@pytest.mark.parametrize(
    ("wishes", "reason"),
    [
        ({"style": "cubist"}, "known styles: anime, noir, photographic, watercolour"),
        ({"parameters": {"stepps": 1}}, "known parameters: cfg, checkpoint, sampler, scheduler, steps"),
        ({"parameters": {"steps": 0}}, "must be at least 1"),
        ({"parameters": {"steps": True}}, "must be of type int"),
        ({"parameters": {"checkpoint": 5}}, "must be of type str"),
    ],
)
def test_what_the_workflow_does_not_know_is_refused_with_what_it_knows(
    wishes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Hopeless, match=reason) as refused:
        bind(PORTRAIT, job(**wishes), ())
    assert refused.value.code == "invalid_parameters"
