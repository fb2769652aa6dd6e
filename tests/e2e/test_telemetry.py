"""Telemetry of the installed program, received by a collector on loopback."""

from __future__ import annotations

import json
import subprocess
import sys

from orchestrator.report.telemetry.names import root_of
from tests.e2e.harness import Project, run
from tests.telemetry import collector

MANIFEST = """
[defaults]
runtime = "python312"
entrypoint = "index.handler"
memory = "128MB"
source = "src"
create = true
[functions.auth]
environment = { RELEASE = "${RELEASE}" }
[functions.mail]
"""
KEY = "s3cr3t-of-the-collector"


def write(project: Project) -> None:
    (project.root / "src").mkdir()
    (project.root / "src" / "index.py").write_text("def handler(event, context): return {}\n")
    (project.root / "deploy.toml").write_text(MANIFEST)


def test_runs_send_linked_traces_plans_send_nothing_and_a_collector_that_is_down_fails_nothing(
    project: Project,
) -> None:
    write(project)
    down = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "1", "RELEASE": "1"}
    first = run(project.root, "deploy", "--sandbox", "--yes", "-o", "json", "--log-level", "debug", environ=down)
    result = json.loads(first.out)
    assert (first.code, [one["outcome"] for one in result["functions"]]) == (0, ["deployed", "deployed"])
    (warning,) = result["warnings"]
    refused = "no connection to 127.0.0.1:9: connection refused. Check that a collector runs there"
    assert f"spans and the last metrics were not sent: {refused}" in warning
    assert first.err.count(refused) == 1
    with collector() as found:
        up = {"OTEL_EXPORTER_OTLP_ENDPOINT": found.url, "OTEL_EXPORTER_OTLP_HEADERS": f"api-key={KEY}", "RELEASE": "2"}
        plan = run(project.root, "plan", "--sandbox", environ=up)
        assert (plan.code, found.headers) == (0, [])
        changed = run(project.root, "deploy", "--sandbox", "--yes", "-o", "json", environ=up)
        back = run(project.root, "rollback", "--sandbox", "--yes", environ=up)
    assert (changed.code, back.code) == (0, 0)
    assert {one["api-key"] for one in found.headers} == {KEY}
    assert KEY not in changed.err + changed.out
    deployed, undone = [span for span in found.spans if not span.parent_span_id]
    assert (deployed.name, undone.name) == ("deploy", "rollback")
    trace_id, root_id = root_of(json.loads(changed.out)["run_id"])
    assert (deployed.trace_id, deployed.span_id) == (trace_id.to_bytes(16), root_id.to_bytes(8))
    assert [(link.trace_id, link.span_id) for link in undone.links] == [(deployed.trace_id, deployed.span_id)]
    assert [span.name for span in found.spans if span.parent_span_id == deployed.span_id] == ["function auth"]
    tracked = [span for span in found.spans if span.name == "track"]
    operations = [{one.key: one.value.string_value for one in span.attributes} for span in tracked]
    assert len(operations) == len({one["orchestrator.operation_id"] for one in operations}) > 0
    assert {"orchestrator.operations.active", "orchestrator.functions", "orchestrator.polls"} <= found.metric_names


def test_without_being_asked_nothing_of_it_is_imported() -> None:
    code = (
        "import orchestrator.app.session.execution, sys; sys.exit(any('opentelemetry' in name for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
