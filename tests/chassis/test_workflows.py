"""Which workflows the indexer accepts."""

from pathlib import Path

import pytest

from chassis.settings import BadSettings
from chassis.workflows import known_workflows


def test_a_workflow_is_a_folder_with_its_inputs(tmp_path: Path) -> None:
    for name in ("portrait", "colour-card", "notes"):
        (tmp_path / name).mkdir()
    for name in ("portrait", "colour-card"):
        (tmp_path / name / "inputs.toml").touch()
    assert known_workflows(tmp_path) == {"portrait", "colour-card"}


@pytest.mark.parametrize("folder", ["", "missing"])
def test_without_workflows_the_indexer_says_what_to_set(tmp_path: Path, folder: str) -> None:
    with pytest.raises(BadSettings, match="WORKFLOWS_DIR"):
        known_workflows(tmp_path / folder)
