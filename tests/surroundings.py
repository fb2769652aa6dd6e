"""What tests leave out of the environment of the machine that they run on, for themselves and for what they start."""

from __future__ import annotations

import getpass
from collections.abc import Mapping

_FOREIGN = ("YC_", "AWS_", "ORCHESTRATOR_", "GITHUB_", "GITLAB_", "CI_", "OTEL_")
# Settings that change what is shown, how it is written, or whom a program trusts; proxies, because all servers of
# tests are on loopback; and git's own, which it sets for hooks.
_OURS = {
    "http_proxy", "https_proxy", "all_proxy", "no_proxy", "ci", "no_color", "force_color", "columns", "lines",
    "ssl_cert_file", "ssl_cert_dir", "requests_ca_bundle", "curl_ca_bundle", "pythondontwritebytecode",
    "pythonunbuffered", "git_dir", "git_work_tree", "git_index_file",
}  # fmt: skip


def neutral(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without this machine's own settings, of a common terminal, and of a user with a name."""
    kept = {
        name: value for name, value in environ.items() if not name.startswith(_FOREIGN) and name.lower() not in _OURS
    }
    return kept | {"TERM": "xterm", "LOGNAME": _user()}


def _user() -> str:
    """The name of the user, or any in a container where users have only numbers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "tests"
