"""`docker-compose.yml` fits the services: their commands, their settings, and what they share. It is read,
not run: that needs a Docker engine; tests/distributed starts the same commands natively."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from chassis.stopping import STOP_SECONDS
from cli.__main__ import app
from cli.accounts.passwords import BROKER, DATABASE, ROLES, users
from cli.accounts.roles import PREFIX
from services.__main__ import SERVICES
from services.uploader.adapters.lettering import MACHINE_FONTS

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
CONTAINERS: dict[str, dict[str, Any]] = COMPOSE["services"]
ERRANDS = {"users", "roles", "tables"}
OURS = sorted(name for name in CONTAINERS if CONTAINERS[name].get("image") == "darkroom")
#: What the image sets for every service.
IMAGE = dict(
    re.findall(r"\b([A-Z_]+)=(\S+)", DOCKERFILE.rpartition("ENV PATH")[2].partition("HEALTHCHECK")[0])
)


def environment(service: str) -> dict[str, str]:
    return {**IMAGE, **CONTAINERS[service]["environment"]}


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_gets_the_variables_that_it_can_not_start_without(service: str) -> None:
    fields = SERVICES[service][0].model_fields
    required = {name.upper() for name, field in fields.items() if field.is_required()}
    assert required <= environment(service).keys()


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_gets_a_variable_that_it_does_not_read(service: str) -> None:
    read = {name.upper() for name in SERVICES[service][0].model_fields}
    assert CONTAINERS[service]["environment"].keys() <= read


def test_the_cloudinary_secret_is_known_to_uploader_and_indexer_alone() -> None:
    holders = {name for name in CONTAINERS if "CLOUDINARY_URL" in CONTAINERS[name].get("environment", {})}
    assert holders == {"indexer", "uploader"}


def test_the_image_has_fonts_that_placeholders_look_for() -> None:
    packages = {"fonts-wqy-microhei": "wqy-microhei.ttc", "fonts-dejavu-core": "DejaVuSans.ttf"}
    assert set(re.findall(r"\bfonts-[a-z-]+", DOCKERFILE)) == set(packages)
    assert set(packages.values()) <= set(MACHINE_FONTS)


@pytest.mark.parametrize("name", [*SERVICES, "sandbox"])
def test_every_command_names_a_module_that_can_be_run(name: str) -> None:
    python, flag, module, *_ = CONTAINERS[name]["command"]
    assert (python, flag) == ("python", "-m")
    assert importlib.util.find_spec(f"{module}.__main__")


def test_renderer_and_uploader_share_the_folder_of_blobs_unless_a_bucket_is_named() -> None:
    for service in ("renderer", "uploader"):
        url = re.fullmatch(r"\$\{BLOBS_URL:-file:(.+)\}", environment(service)["BLOBS_URL"])
        assert url
        assert f"blobs:{url[1]}" in CONTAINERS[service]["volumes"]
        assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= environment(service).keys()


@pytest.mark.parametrize("name", OURS)
def test_containers_run_as_a_user_who_can_write_nowhere_but_in_volumes(name: str) -> None:
    container = CONTAINERS[name]
    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert "user" not in container
    assert re.search(r"^USER [1-9]\d+$", DOCKERFILE, re.MULTILINE)


@pytest.mark.parametrize("name", CONTAINERS)
def test_no_container_can_gain_privileges(name: str) -> None:
    container = CONTAINERS[name]
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "network_mode", "pid", "ipc", "devices"} & set(container)


def test_the_image_is_built_in_one_stage_and_run_in_another_without_its_tools() -> None:
    *_, building, running = DOCKERFILE.split("\nFROM ")
    assert "pip install" in building
    assert not re.search(r"\b(pip|gcc|git|curl)\b", running)
    assert "COPY --from=build" in running


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_logs_in_as_itself(service: str) -> None:
    known = environment(service)
    bus, database = (re.sub(r"\$\{(\w+):[^}]*\}", r"\1", known[name]) for name in ("BUS_URL", "DATABASE_URL"))
    assert bus == f"amqp://{service}:BROKER_PASSWORD_{service.upper()}@rabbitmq/darkroom"
    role = f"{PREFIX}{service}:DATABASE_PASSWORD_{service.upper()}"
    assert database == f"postgresql+asyncpg://{role}@postgres/darkroom"
    assert known["BUS_DECLARE"] == "false"


def test_whoever_makes_users_and_roles_has_all_their_passwords_and_nobody_else_has() -> None:
    names = {name: set(CONTAINERS[name].get("environment") or ()) for name in CONTAINERS}
    assert names["users"] == {f"{BROKER}_{user.upper()}" for user in users()}
    assert names["roles"] == {f"{DATABASE}_{role.upper()}" for role in ROLES} | {"DATABASE_URL"}
    holders = {
        name for name, held in names.items() if any(each.startswith((BROKER, DATABASE)) for each in held)
    }
    assert holders == {"users", "roles"}


def test_users_roles_and_tables_are_made_before_anybody_needs_them() -> None:
    done, healthy = {"condition": "service_completed_successfully"}, {"condition": "service_healthy"}
    assert CONTAINERS["rabbitmq"]["depends_on"] == {"users": done}
    assert CONTAINERS["roles"]["depends_on"] == {"postgres": healthy}
    assert CONTAINERS["tables"]["depends_on"] == {"roles": done}
    for service in SERVICES:
        assert CONTAINERS[service]["depends_on"] == {"rabbitmq": healthy, "tables": done}


@pytest.mark.parametrize("errand", ["users", "roles", "tables"])
def test_every_errand_is_a_command_that_there_is(errand: str) -> None:
    program, *words = CONTAINERS[errand]["command"]
    assert program == "darkroom"
    done = CliRunner().invoke(app, [*words, "--help"])
    assert done.exit_code == 0, done.output


def test_the_broker_loads_the_definitions_that_were_written() -> None:
    written = CONTAINERS["users"]["command"][-1]
    folder, _, file = written.rpartition("/")
    assert CONTAINERS["users"]["volumes"] == [f"definitions:{folder}"]
    assert folder in re.findall(r"/var/lib/darkroom/\w+", DOCKERFILE)
    settings = (ROOT / "deploy" / "rabbitmq" / "rabbitmq.conf").read_text()
    assert f"load_definitions = /definitions/{file}\n" in settings
    assert "definitions:/definitions:ro" in CONTAINERS["rabbitmq"]["volumes"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_is_not_killed_before_its_process_has_had_its_time(service: str) -> None:
    assert float(CONTAINERS[service]["stop_grace_period"].removesuffix("s")) > STOP_SECONDS


def test_everything_that_runs_is_watched_by_a_health_check() -> None:
    unwatched = [
        name
        for name, container in CONTAINERS.items()
        if "healthcheck" not in container and container.get("image") != "darkroom"
    ]
    assert unwatched == []
    ending = {name for name, each in CONTAINERS.items() if each.get("healthcheck") == {"disable": True}}
    assert ending == ERRANDS
    assert "HEALTHCHECK" in DOCKERFILE
    ports = {environment(name)["PORT"] for name in SERVICES}
    assert len(ports) == len(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_can_be_scaled(service: str) -> None:
    """Replicas can share neither a name nor a port of the machine; a range of ports serves each with one."""
    container = CONTAINERS[service]
    assert not {"container_name", "hostname", "networks"} & set(container)
    fixed = [port for port in container.get("ports", ()) if not port.startswith("${")]
    assert fixed == []
    assert service == "gateway" or "ports" not in container


def test_no_secret_has_a_default_and_the_development_file_names_them_all() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    asked = set(re.findall(r"\$\{([A-Z_]+):\?", text))
    given = dict(
        line.partition("=")[::2]
        for line in (ROOT / "deploy" / "development.env").read_text().splitlines()
        if "=" in line and not line.startswith("#")
    )
    assert asked == set(given)


def test_images_from_elsewhere_name_their_release() -> None:
    images = [container["image"] for container in CONTAINERS.values() if container.get("image") != "darkroom"]
    assert all(re.search(r":\d", image) for image in images), images


def test_every_package_of_the_project_is_in_the_image() -> None:
    copied = set(re.findall(r"^COPY (\w+) /build/", DOCKERFILE, re.MULTILINE))
    packaged = re.search(r"packages = \[(.*)\]", (ROOT / "pyproject.toml").read_text())
    assert packaged
    assert set(re.findall(r'"(\w+)"', packaged[1])) <= copied
