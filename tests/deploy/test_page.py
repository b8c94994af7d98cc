"""docs/deployment.md says what code and manifests say."""

import re

import pytest

from cli.accounts.passwords import ROLES, new, users
from cli.accounts.roles import PREFIX
from contracts.permissions import Account, accounts
from contracts.topology import BY_ROUTE
from services.__main__ import SERVICES
from tests.deploy.manifests import container, of, one
from tests.source import ROOT

PAGE = (ROOT / "docs" / "deployment.md").read_text()


def table(heading: str) -> list[list[str]]:
    """The rows of the table that begins with this line, cell by cell."""
    after = PAGE.partition(f"{heading}\n")[2]
    assert after, f"there is no table {heading!r}"
    lines = [line.strip() for line in after.splitlines()]
    end = next(number for number, line in enumerate(lines) if not line.startswith("|"))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:end]]


def test_every_user_of_the_broker_is_listed() -> None:
    rows = table("| user | says | takes from | may also |")
    listed = [row[0].strip("`") for row in rows]
    assert sorted(listed) == sorted(users())


@pytest.mark.parametrize("account", accounts(), ids=lambda account: account.name)
def test_what_a_user_is_said_to_say_it_may_say(account: Account) -> None:
    (row,) = [
        row for row in table("| user | says | takes from | may also |") if row[0] == f"`{account.name}`"
    ]
    named = re.findall(r"`(\w+)`", row[1])
    may = account.topics["darkroom"].write if account.topics else ".*"
    assert all(re.search(may, f"{name}.v1") and f"{name}.v1" in BY_ROUTE for name in named)


def test_every_role_of_the_database_is_listed() -> None:
    cells = ", ".join(row[0] for row in table("| role | may |"))
    named = {name.removeprefix(PREFIX).lstrip("_") for name in re.findall(r"`(\w+)`", cells)}
    assert named == set(ROLES)


def test_the_number_of_passwords_is_right() -> None:
    assert f"# {len(new().splitlines())} of them" in PAGE


@pytest.mark.parametrize("name", [*SERVICES, "owner"])
def test_every_secret_is_listed_with_its_keys(name: str) -> None:
    workload = one("Job", "tables") if name == "owner" else one("Deployment", name)
    keys = {
        each["valueFrom"]["secretKeyRef"]["key"] for each in container(workload)["env"] if "valueFrom" in each
    }
    (row,) = [row for row in table("| secret | holds |") if row[0] == f"`darkroom-{name}`"]
    told = {word for word in re.findall(r"`([A-Z_…]+)`", row[1]) if word != "AWS_…"}
    if "AWS_…" in row[1]:
        told |= {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert told == keys


@pytest.mark.parametrize("service", SERVICES)
def test_scaling_is_as_it_is_said(service: str) -> None:
    scaled = next(each for each in of("ScaledObject") if each["metadata"]["name"] == service)["spec"]
    (row,) = [row for row in table("| service | from 2 to | by |") if row[0] == service]
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (2, int(row[1]))
    for trigger in scaled["triggers"]:
        if trigger["type"] != "cpu":
            wanted = trigger["metadata"].get("value") or trigger["metadata"]["targetQueryValue"]
            assert f"{int(wanted):,} " in row[2]
