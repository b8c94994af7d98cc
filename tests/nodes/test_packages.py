"""Installing what a node needs leaves the machine's own services and rules alone."""

import subprocess
from pathlib import Path

import pytest

from tests.nodes.packages import POLICY_TEXT, postgres_programs, rabbitmq_programs, services_kept_down


def test_the_programs_found_are_the_servers_own() -> None:
    assert (rabbitmq_programs() / "rabbitmq-server").exists()
    assert (postgres_programs() / "postgres").exists()


def test_services_are_kept_down_only_meanwhile(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    with services_kept_down(policy):
        assert subprocess.run([policy, "rabbitmq-server", "start"], check=False).returncode == 101
    assert not policy.exists()
    with pytest.raises(RuntimeError, match="apt-get failed"), services_kept_down(policy):
        raise RuntimeError("apt-get failed")
    assert not policy.exists()


def test_a_policy_the_machine_has_is_left_as_it_is(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 104\n")
    with services_kept_down(policy):
        assert "104" in policy.read_text()
    assert "104" in policy.read_text()


def test_a_policy_left_over_by_a_killed_run_is_taken_away(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text(POLICY_TEXT)
    with services_kept_down(policy):
        pass
    assert not policy.exists()
