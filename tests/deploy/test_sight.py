"""What is shipped for looking at the system fits the system: rules, dashboard, and the page about them."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.__main__ import SERVICES
from tests.deploy.queries import mistakes
from tests.meters import markdown, meters
from tests.nodes.packages import promtool_program
from tests.source import ROOT

PROMETHEUS = ROOT / "deploy" / "prometheus"
ALERTS: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
TESTED: list[dict[str, Any]] = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text())["tests"]
BOARD: dict[str, Any] = json.loads((ROOT / "deploy" / "grafana" / "darkroom.json").read_text())
KNOWN = {name: frozenset(meter.labels) for meter in meters() for name in meter.series}
PAGE = (ROOT / "docs" / "sight.md").read_text()


def shown() -> Iterator[tuple[str, str]]:
    """Panel and query."""
    for panel in BOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def promtool(*words: object) -> None:
    done = subprocess.run(
        [promtool_program(), *map(str, words)], cwd=PROMETHEUS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_rules_and_the_configuration() -> None:
    promtool("check", "config", "prometheus.yml")
    promtool("check", "rules", "--lint-fatal", "alerts.yml")


def test_every_alert_is_silent_at_first_and_fires_when_it_should() -> None:
    promtool("test", "rules", "alerts_test.yml")
    assert {test["name"] for test in TESTED} == {alert["alert"] for alert in ALERTS}
    for test in TESTED:
        looks = [len(look["exp_samples"]) for look in test["promql_expr_test"]]
        assert looks == [0, 1], test["name"]
        assert all(test["name"] in look["expr"] for look in test["promql_expr_test"])


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_asks_for_what_there_is_and_says_what_to_do(alert: dict[str, Any]) -> None:
    assert mistakes(alert["expr"], KNOWN) == []
    said = alert["annotations"]
    for text in (said["summary"], said["runbook"]):
        assert text[-1] == "."
        assert re.findall(r"\bdarkroom_[a-z_]+", text) == [
            name
            for name in re.findall(r"\bdarkroom_[a-z_]+", text)
            if name in KNOWN or any(each.startswith(name) for each in KNOWN)
        ]
    assert len(said["runbook"].split()) > 10
    assert alert["labels"]["severity"] in ("page", "ticket")
    assert f"`{alert['alert']}`" in PAGE, "docs/sight.md lists every alert"


@pytest.mark.parametrize(("panel", "query"), list(shown()))
def test_a_panel_asks_for_what_there_is(panel: str, query: str) -> None:
    assert mistakes(query, KNOWN) == [], panel


def test_prometheus_understands_every_query_of_the_dashboard(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{place}", "expr": query.replace("$__rate_interval", "5m")}
        for place, (_, query) in enumerate(shown())
    ]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", file)


def test_the_dashboard_is_one_that_grafana_can_load() -> None:
    assert (BOARD["uid"], BOARD["title"]) == ("darkroom", "Darkroom")
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(ids) == len(set(ids))
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        if panel["type"] != "row":
            assert panel["description"].endswith(".")
            assert panel["datasource"]["uid"] == "${source}"
    folder = ROOT / "deploy" / "grafana" / "provisioning"
    (provider,) = yaml.safe_load((folder / "dashboards" / "darkroom.yml").read_text())["providers"]
    (source,) = yaml.safe_load((folder / "datasources" / "darkroom.yml").read_text())["datasources"]
    assert provider["type"] == "file"
    assert source["type"] == BOARD["templating"]["list"][0]["query"] == "prometheus"


def test_every_service_is_looked_at_where_it_listens() -> None:
    jobs = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]
    looked = {job["job_name"]: job["dns_sd_configs"][0] for job in jobs}
    for name, (kind, _) in SERVICES.items():
        there = looked.pop(f"darkroom-{name}")
        assert (there["names"], there["port"]) == ([name], kind.model_fields["port"].default)
    assert looked == {}


def test_the_page_has_the_metrics_that_the_code_has() -> None:
    table = PAGE.partition("<!-- metrics -->\n")[2].partition("<!-- /metrics -->")[0]
    assert table == markdown(), "paste the output of `python -m tests.meters` between the two comments"


def test_every_metric_says_what_it_is_and_times_are_in_seconds() -> None:
    for meter in meters():
        assert re.fullmatch(r"darkroom_[a-z]+(_[a-z]+)*", meter.name), meter
        assert meter.help[:1].isupper() or meter.help[:1].isdigit(), meter
        assert len(meter.help.split()) > 2, meter
        times = re.search(r"\b(Time|Seconds|Age|Execution|From)\b", meter.help)
        assert bool(times) == meter.name.endswith("_seconds"), meter


@pytest.mark.parametrize(
    ("query", "mistake"),
    [
        ("rate(darkroom_image_seconds_count[5m])", None),
        ('sum by (end) (darkroom_image_seconds_count{end="x"})', None),
        ("rate(darkroom_image_seconds[5m])", "there is no metric darkroom_image_seconds"),
        ('darkroom_ready{queue="x"}', "darkroom_ready has no label queue"),
        ("max by (queue) (darkroom_ready)", "nothing in it has a label queue"),
    ],
)
def test_a_query_for_what_is_not_there_is_noticed(query: str, mistake: str | None) -> None:
    assert mistakes(query, KNOWN) == ([mistake] if mistake else [])
