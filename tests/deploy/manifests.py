"""The manifests for Kubernetes, read."""

from typing import Any

import yaml

from tests.source import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
Manifest = dict[str, Any]

KUSTOMIZATION: Manifest = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
#: Every manifest by file and name, as in `gateway.yaml Deployment gateway`.
MANIFESTS: dict[str, Manifest] = {
    f"{path.name} {each['kind']} {each['metadata']['name']}": each
    for path in sorted(FOLDER.glob("*.yaml"))
    if path.name != "kustomization.yaml"
    for each in yaml.safe_load_all(path.read_text())
}


def one(kind: str, name: str) -> Manifest:
    (found,) = [each for each in of(kind) if each["metadata"]["name"] == name]
    return found


def of(kind: str) -> list[Manifest]:
    return [each for each in MANIFESTS.values() if each["kind"] == kind]


def pod(workload: Manifest) -> Manifest:
    spec: Manifest = workload["spec"]["template"]["spec"]
    return spec


def container(workload: Manifest) -> Manifest:
    (only,) = pod(workload)["containers"]
    return dict(only)


def query() -> str:
    """What KEDA asks the database."""
    (asked,) = [
        trigger["metadata"]["query"]
        for scaled in of("ScaledObject")
        for trigger in scaled["spec"]["triggers"]
        if trigger["type"] == "postgresql"
    ]
    return str(asked)
