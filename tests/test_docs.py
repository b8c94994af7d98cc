"""The README keeps up with the code."""

import re
from pathlib import Path

import pytest

from cli.variables import markdown, variables
from contracts.topology import MESSAGES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_settings_table_is_the_one_that_the_code_has() -> None:
    table = README.partition("<!-- settings -->\n")[2].partition("<!-- /settings -->")[0]
    assert table == markdown(), "paste the output of `darkroom settings` between the two comments"


def test_every_setting_says_what_it_is_for() -> None:
    assert [each.name for each in variables() if not each.meaning] == []


@pytest.mark.parametrize(
    "page", [*sorted(ROOT.glob("docs/*.md")), ROOT / "README.md"], ids=lambda page: page.name
)
def test_links_inside_the_documents_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)", page.read_text())
    broken = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert broken == []


def test_every_make_command_in_the_readme_exists() -> None:
    shown = set(re.findall(r"^    make ([a-z]+)", README, re.MULTILINE))
    assert shown
    assert shown <= set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_every_message_has_a_schema() -> None:
    schemas = {path.stem for path in (ROOT / "contracts" / "schemas").glob("*.json")}
    assert schemas == {message.route() for message in MESSAGES}
