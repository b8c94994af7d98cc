"""With CI=true a skipped test is a failed one: there, nothing may go untested in silence."""

import os
from collections.abc import Generator

import pytest

Reports = Generator[None, pytest.TestReport, pytest.TestReport]
Collections = Generator[None, pytest.CollectReport, pytest.CollectReport]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Reports:
    report = yield
    if _is_wrong(report):
        report.outcome, report.longrepr = "failed", _complaint(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Collections:
    report = yield
    if _is_wrong(report):
        report.outcome, report.longrepr = "failed", _complaint(report)
    return report


def _is_wrong(report: pytest.TestReport | pytest.CollectReport) -> bool:
    return os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail")


def _complaint(report: pytest.TestReport | pytest.CollectReport) -> str:
    return f"{report.nodeid} was skipped, and with CI=true a skip is a failure. {_reason(report)}"


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    return str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)
