"""Spans leave the process only where a collector is named."""

import subprocess
import sys

from tests.source import ROOT

ASK = """
import sys, services.__main__
from chassis.exporting import exporting
from messaging import tracing
with exporting(None), tracing.span("work"):
    assert not tracing.recorded()
    assert tracing.traceparent()
print([name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))])
"""


def test_without_a_collector_nothing_that_records_is_loaded() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASK], cwd=ROOT, capture_output=True, text=True, check=False, env={}
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
