"""The manifests fit the services: their commands, settings, ports and paths, and what they may do."""

import re
import tomllib
from typing import Any

import pytest
import yaml
from starlette.routing import Route
from typer.testing import CliRunner

from chassis.stopping import STOP_SECONDS
from chassis.web import Readiness, status_routes
from cli.__main__ import app
from contracts.topology import QUEUES
from services.__main__ import SERVICES
from tests.deploy.manifests import KUSTOMIZATION, Manifest, container, of, one, pod
from tests.source import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
WORKLOADS = [*SERVICES, "tables"]


def workload(name: str) -> Manifest:
    return one("Job" if name == "tables" else "Deployment", name)


def variables(service: str) -> dict[str, Any]:
    """All that a service is told, with where it comes from or its value."""
    told = container(workload(service))
    known: dict[str, Any] = {}
    for source in told.get("envFrom", ()):
        known |= one("ConfigMap", source["configMapRef"]["name"])["data"]
    for each in told["env"]:
        known[each["name"]] = each.get("value", each.get("valueFrom"))
    return known


def secrets(name: str) -> dict[str, dict[str, Any]]:
    found = {each["name"]: each.get("valueFrom", {}) for each in container(workload(name))["env"]}
    return {each: source["secretKeyRef"] for each, source in found.items() if source}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_told_what_it_reads_and_all_that_it_needs(service: str) -> None:
    fields = {name.upper(): field for name, field in SERVICES[service][0].model_fields.items()}
    told = variables(service)
    assert set(told) <= set(fields)
    assert {name for name, field in fields.items() if field.is_required()} <= set(told)
    assert told["BUS_DECLARE"] == "false"


@pytest.mark.parametrize("name", WORKLOADS)
def test_whatever_is_secret_comes_out_of_a_secret_of_its_own(name: str) -> None:
    mine = "darkroom-owner" if name == "tables" else f"darkroom-{name}"
    for variable, source in secrets(name).items():
        assert (source["name"], source["key"]) == (mine, variable)
    assert secrets(name).keys() >= {"DATABASE_URL"}
    plain = [each["name"] for each in container(workload(name))["env"] if "value" in each]
    assert plain == ([] if name == "tables" else ["PORT"])


def test_the_cloudinary_secret_is_known_to_uploader_and_indexer_alone() -> None:
    assert {name for name in SERVICES if "CLOUDINARY_URL" in variables(name)} == {"indexer", "uploader"}


@pytest.mark.parametrize("service", SERVICES)
def test_commands_and_images_are_those_of_compose(service: str) -> None:
    told = container(workload(service))
    assert told["command"] == COMPOSE[service]["command"]
    assert told["image"] == COMPOSE[service]["image"]


def test_the_image_that_is_named_is_of_this_release() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    (image,) = KUSTOMIZATION["images"]
    assert (image["name"], image["newTag"]) == (COMPOSE["gateway"]["image"], version)


def test_the_job_is_a_command_that_there_is() -> None:
    program, *words = container(workload("tables"))["command"]
    assert [program, *words] == COMPOSE["tables"]["command"]
    assert CliRunner().invoke(app, [*words, "--help"]).exit_code == 0


@pytest.mark.parametrize("service", SERVICES)
def test_ports_are_the_ones_that_services_listen_on(service: str) -> None:
    default = str(SERVICES[service][0].model_fields["port"].default)
    told = container(workload(service))
    assert variables(service)["PORT"] == default
    assert told["ports"] == [{"name": "http", "containerPort": int(default)}]
    annotations = workload(service)["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == default
    (port,) = one("Service", service)["spec"]["ports"]
    assert port["targetPort"] == "http"


@pytest.mark.parametrize("service", SERVICES)
def test_probes_ask_what_every_process_answers(service: str) -> None:
    paths = {route.path for route in status_routes(Readiness({})) if isinstance(route, Route)}
    told = container(workload(service))
    asked = {name: told[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert {name: each["path"] for name, each in asked.items()} == {
        "startup": "/health",
        "liveness": "/health",
        "readiness": "/ready",
    }
    assert {each["path"] for each in asked.values()} <= paths
    assert {each["port"] for each in asked.values()} == {"http"}
    scraped = workload(service)["spec"]["template"]["metadata"]["annotations"]["prometheus.io/path"]
    assert scraped in paths


@pytest.mark.parametrize("service", SERVICES)
def test_a_pod_is_not_killed_before_its_process_has_had_its_time(service: str) -> None:
    assert pod(workload(service))["terminationGracePeriodSeconds"] > STOP_SECONDS


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_container_may_do_nothing_and_write_only_to_its_tmp(name: str) -> None:
    around, told = pod(workload(name)), container(workload(name))
    (user,) = re.findall(r"^USER (\d+)$", DOCKERFILE, re.MULTILINE)
    assert around["securityContext"]["runAsNonRoot"] is True
    assert around["securityContext"]["runAsUser"] == int(user)
    assert around["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert around["automountServiceAccountToken"] is False
    # Kubernetes would add variables like GATEWAY_PORT for every Service in the namespace.
    assert around["enableServiceLinks"] is False
    assert told["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    writable = [mount["name"] for mount in told["volumeMounts"] if not mount.get("readOnly")]
    assert writable == ["tmp"]
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(around)


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_container_says_what_it_needs(name: str) -> None:
    resources = container(workload(name))["resources"]
    assert resources["requests"].keys() == {"cpu", "memory"}
    assert _mebibytes(resources["limits"]["memory"]) >= _mebibytes(resources["requests"]["memory"])


@pytest.mark.parametrize("service", SERVICES)
def test_one_replica_at_a_time_goes_and_none_before_another_has_come(service: str) -> None:
    budget = one("PodDisruptionBudget", service)["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"]["matchLabels"] == _labels(service)
    assert workload(service)["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert workload(service)["spec"]["selector"]["matchLabels"] == _labels(service)
    assert one("Service", service)["spec"]["selector"] == _labels(service)
    assert pod(workload(service))["serviceAccountName"] == service
    assert one("ServiceAccount", service)["automountServiceAccountToken"] is False


@pytest.mark.parametrize("service", SERVICES)
def test_replicas_are_counted_by_what_waits(service: str) -> None:
    assert "replicas" not in workload(service)["spec"]
    scaled = one("ScaledObject", service)["spec"]
    assert scaled["scaleTargetRef"] == {"name": service}
    assert 2 <= scaled["minReplicaCount"] <= scaled["maxReplicaCount"]
    queues = {queue.name for queue in QUEUES if queue.service == service}
    watched = [each["metadata"]["queueName"] for each in scaled["triggers"] if each["type"] == "rabbitmq"]
    assert watched
    assert set(watched) <= queues
    for trigger in scaled["triggers"]:
        if trigger["type"] != "cpu":
            assert one("TriggerAuthentication", trigger["authenticationRef"]["name"])


def test_nobody_talks_to_anybody_unless_it_is_said() -> None:
    deny = one("NetworkPolicy", "nothing-else")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    (callers,) = one("NetworkPolicy", "gateway")["spec"]["ingress"]
    assert callers == {"ports": [{"protocol": "TCP", "port": "http"}]}
    open_to_all = [
        each["metadata"]["name"]
        for each in of("NetworkPolicy")
        for rule in each["spec"].get("ingress", ())
        if "from" not in rule
    ]
    assert set(open_to_all) == {"gateway", "fleet"}


def test_webhooks_reach_no_address_inside() -> None:
    (rule,) = one("NetworkPolicy", "gateway")["spec"]["egress"]
    refused = {place for each in rule["to"] for place in each["ipBlock"]["except"]}
    assert {"10.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"} <= refused


def _labels(service: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": service}


def _mebibytes(amount: str) -> int:
    assert amount.endswith("Mi")
    return int(amount.removesuffix("Mi"))
