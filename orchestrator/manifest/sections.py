"""[cloud], [storage] and [limits]: the tables that stand once."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.manifest.files import SourceFile
from orchestrator.manifest.findings import Findings
from orchestrator.manifest.schema import CloudTable, LimitsTable, ManifestFile
from orchestrator.model import CloudAddress, Limits, Storage


def cloud(table: CloudTable | None, environ: Mapping[str, str]) -> CloudAddress:
    """Where functions go. The file's ids win over YC_FOLDER_ID and YC_CLOUD_ID."""
    table = table or CloudTable()
    default = CloudAddress()
    return CloudAddress(
        endpoint=(table.endpoint or default.endpoint).rstrip("/"),
        invoke_endpoint=(table.invoke_endpoint or default.invoke_endpoint).rstrip("/"),
        folder_id=table.folder_id or environ.get("YC_FOLDER_ID") or None,
        cloud_id=table.cloud_id or environ.get("YC_CLOUD_ID") or None,
    )


def storage(tables: ManifestFile) -> Storage:
    """Where packages are put."""
    table = tables.storage
    return Storage(bucket=table.bucket, prefix=table.prefix or "") if table else Storage()


def limits(file: SourceFile, table: LimitsTable | None, findings: Findings) -> Limits:
    """How hard the cloud may be pressed: the file's figures over the documented defaults."""
    if table is None:
        return Limits()
    given = {key: value for key, value in table.__dict__.items() if value is not None}
    if "operation_deadline" in given:
        given["operation_deadline_s"] = given.pop("operation_deadline")
    made = Limits(**given)
    for name in ("operations_per_folder", "operations_per_cloud"):
        quota = getattr(made, name)
        if made.reserve >= quota:
            rule = f"leaves no slot: it must be smaller than {name}, which is {quota}"
            findings.mistake(file, ("limits", "reserve"), rule)
            break
    return made
