"""What to do about a refusal, where the cloud's own sentence does not say it (cloud-api §4.6, §10)."""

from __future__ import annotations

from orchestrator.errors import Code

# Parts of the server's message, all of which must be there; the first row that fits counts.
_BY_TEXT: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("service account", "not available"),
        "give the deploying account the role iam.serviceAccounts.user on that service account",
    ),
    (("vpc network", "not found"), "check network_id, and give the deploying account the role vpc.user"),
    (
        ("secret", "not found"),
        "check the secret's id, version and key, and that the deploying account has lockbox.viewer",
    ),
    (("active operations",), "somebody else's operations fill the quota as well; see [limits] reserve"),
)
_BY_CODE: dict[Code, str] = {
    Code.UNAUTHENTICATED: "get another token, or use an authorized key (YC_SERVICE_ACCOUNT_KEY_FILE), and start again",
    Code.PERMISSION_DENIED: "check the roles of the account on the folder: functions.editor to deploy, and rights on "
    "what a version refers to (iam.serviceAccounts.user, vpc.user, lockbox.viewer, storage.viewer)",
    Code.RESOURCE_EXHAUSTED: "a quota is used up: wait, delete what is not needed, or ask for a higher quota",
    Code.INVALID_ARGUMENT: "mend what the message names",
}


def advise(code: Code | None, message: str) -> str:
    """Pick the advice for a refusal; empty where the message has to do."""
    text = message.lower()
    for parts, advice in _BY_TEXT:
        if all(part in text for part in parts):
            return advice
    return _BY_CODE.get(code, "") if code is not None else ""
