"""The manifests are ones that Kubernetes and KEDA know, to the last field."""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate  # type: ignore[import-untyped]
import pytest

from tests.deploy.manifests import FOLDER, KUSTOMIZATION, MANIFESTS, Manifest, one, pod

#: The oldest release that is meant, and the newest that the schemas know.
RELEASES = ("1.30", kubernetes_validate.latest_version())
KEDAS = jsonschema.Draft202012Validator(json.loads((Path(__file__).parent / "keda.json").read_text()))
KEDA = {name for name, each in MANIFESTS.items() if each["apiVersion"].startswith("keda.sh/")}


@pytest.mark.parametrize("release", RELEASES)
def test_kubernetes_knows_every_field(release: str) -> None:
    for name in sorted(MANIFESTS.keys() - KEDA):
        kubernetes_validate.validate(MANIFESTS[name], release, strict=True)


@pytest.mark.parametrize("name", sorted(KEDA))
def test_keda_knows_every_field(name: str) -> None:
    KEDAS.validate(MANIFESTS[name])


def test_a_misspelt_field_is_noticed() -> None:
    deployment = copy.deepcopy(one("Deployment", "gateway"))
    pod(deployment)["terminationGracePeriod"] = 45
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, RELEASES[-1], strict=True)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("minReplicas",), 2),
        (("triggers", 0, "metadata", "queue"), "x"),
        (("triggers", 0, "metadata", "value"), 5),
        (("triggers", 0, "type"), "rabbit"),
        (("scaleTargetRef",), {}),
    ],
)
def test_a_mistake_in_what_keda_reads_is_noticed(place: tuple[str | int, ...], value: object) -> None:
    scaled = copy.deepcopy(one("ScaledObject", "uploader"))
    where: Any = scaled["spec"]
    for step in place[:-1]:
        where = where[step]
    where[place[-1]] = value
    assert not KEDAS.is_valid(scaled)


def test_the_kustomization_holds_every_file_but_the_job_that_comes_first() -> None:
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert files - set(KUSTOMIZATION["resources"]) == {"tables.yaml"}
    assert set(KUSTOMIZATION["resources"]) <= files
    assert len(KUSTOMIZATION["resources"]) == len(set(KUSTOMIZATION["resources"]))


def test_no_two_manifests_are_of_one_kind_and_name() -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in MANIFESTS.values()]
    assert len(names) == len(set(names))


def same_namespace(manifest: Manifest) -> bool:
    return manifest["metadata"].get("namespace") in (None, KUSTOMIZATION["namespace"])


def test_everything_is_in_one_namespace() -> None:
    assert all(same_namespace(each) for each in MANIFESTS.values())
    assert one("Namespace", KUSTOMIZATION["namespace"])
    assert one("Job", "tables")["metadata"]["namespace"] == KUSTOMIZATION["namespace"]
