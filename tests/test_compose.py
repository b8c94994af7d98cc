"""`docker-compose.yml` fits the services: their commands, their settings, and what they share. It is read,
not run: that needs a Docker engine; tests/distributed starts the same commands natively."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.__main__ import SERVICES
from services.uploader.adapters.lettering import MACHINE_FONTS

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
CONTAINERS: dict[str, dict[str, Any]] = COMPOSE["services"]
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


@pytest.mark.parametrize("name", [*SERVICES, "sandbox"])
def test_containers_run_as_a_user_who_can_write_nowhere_but_in_volumes(name: str) -> None:
    container = CONTAINERS[name]
    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert re.search(r"^USER (?!root|0)\w+$", DOCKERFILE, re.MULTILINE)


def test_everything_that_runs_is_watched_by_a_health_check() -> None:
    unwatched = [
        name
        for name, container in CONTAINERS.items()
        if "healthcheck" not in container and container.get("image") != "darkroom"
    ]
    assert unwatched == []
    assert "HEALTHCHECK" in DOCKERFILE
    ports = {environment(name)["PORT"] for name in SERVICES}
    assert len(ports) == len(SERVICES)


def test_services_that_are_scaled_publish_no_port_of_their_own() -> None:
    assert [name for name in ("indexer", "renderer", "uploader") if "ports" in CONTAINERS[name]] == []


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
