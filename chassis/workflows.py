"""Which workflows there are: folders with an `inputs.toml`."""

from pathlib import Path

from chassis.settings import BadSettings


def known_workflows(folder: Path) -> frozenset[str]:
    """Names of the workflows in `folder`. Raises BadSettings where there are none."""
    found = frozenset(path.parent.name for path in folder.glob("*/inputs.toml"))
    if not found:
        raise BadSettings(
            f"WORKFLOWS_DIR={folder} holds no workflow: set it to the folder with <name>/graph.json and "
            "<name>/inputs.toml, without which every batch would be refused"
        )
    return found
