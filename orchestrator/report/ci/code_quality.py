"""Findings as a code quality report of GitLab, which shows it in a merge request's changes.

A list of objects with description, check_name, fingerprint, severity and location (docs.gitlab.com, "Code Quality
report format"). Paths are relative to the repository's root, without "./". No findings make an empty list, so that
GitLab shows former findings as fixed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.safe import Safe
from orchestrator.report.ci.annotations import Finding
from orchestrator.report.ci.recognised import CiFiles
from orchestrator.report.failures import without_ids

_SEVERITY = "major"  # of info, minor, major, critical, blocker: something is not deployed, but nothing is lost


def code_quality_report(findings: Sequence[Finding], ci: CiFiles, outlet: Outlet) -> Safe:
    """Return the report."""
    rows: dict[str, dict[str, Any]] = {}
    for finding in findings:
        row = _row(finding, ci)
        rows.setdefault(row["fingerprint"], row)
    return outlet.json(list(rows.values()), indent=True)


def _row(finding: Finding, ci: CiFiles) -> dict[str, Any]:
    path = ci.path_of(finding.file)
    about = f"{finding.about}: " if finding.about else ""
    # Without lines and IDs: they differ from run to run while the finding stays the same.
    same = "\0".join((path, finding.check, finding.about, without_ids(finding.text)))
    return {
        "description": f"{about}{finding.check}: {finding.text}" if finding.is_function else f"{about}{finding.text}",
        "check_name": finding.check,
        "fingerprint": hashlib.sha256(same.encode(errors="replace")).hexdigest(),
        "severity": _SEVERITY,
        "location": {"path": path, "lines": {"begin": max(1, finding.line)}},
    }
