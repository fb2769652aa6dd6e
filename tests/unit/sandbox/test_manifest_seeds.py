"""What the sandbox of --sandbox has because the manifest names it."""

from __future__ import annotations

from pathlib import Path

from orchestrator.manifest.load import load
from orchestrator.sandbox.http.seeds import manifest_seeds, read_seeds, write_seeds

MANIFEST = """
[defaults]
runtime = "python312"
entrypoint = "index.handler"
memory = "128MB"
source = "."
service_account = "runner"
[functions.one]
secrets = [{ environment_variable = "A", name = "token", key = "a" }]
[functions.two]
folder_id = "b1gother"
secrets = [{ environment_variable = "A", id = "e6qgiven", version_id = "e6qv", key = "a" }]
[functions.three]
secrets = [{ environment_variable = "B", name = "token", key = "b" }]
"""


def test_accounts_and_secrets_that_functions_name_are_there_and_others_are_not(tmp_path: Path) -> None:
    (tmp_path / "deploy.toml").write_text(MANIFEST, "utf-8")
    (tmp_path / "index.py").touch()
    manifest = load(tmp_path / "deploy.toml", {"YC_FOLDER_ID": "b1g"})
    found = manifest_seeds(manifest)
    assert [(one["folder_id"], one["name"]) for one in found["service_accounts"]] == [
        ("b1g", "runner"), ("b1gother", "runner"),
    ]  # fmt: skip
    assert [(one["folder_id"], one["name"], one["keys"]) for one in found["secrets"]] == [("b1g", "token", ["a", "b"])]
    assert found == manifest_seeds(manifest)
    path = write_seeds(manifest, tmp_path)
    assert path.stat().st_mode & 0o077 == 0
    kept = tmp_path / "seeds.json"
    kept.write_text('{"service_accounts": [{"folder_id": "b1g", "name": "runner", "id": "ajeown"}]}', "utf-8")
    accounts = read_seeds([kept, path]).seeds.service_accounts
    assert [one for one in accounts if accounts[one]["folderId"] == "b1g"] == ["ajeown"], "the first stays"
    assert {one["folderId"] for one in accounts.values()} == {"b1g", "b1gother"}
