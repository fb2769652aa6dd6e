"""`show FILE`: shows a saved plan to people and programs. Makes no calls to the cloud."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from orchestrator.app.session.saved.files import changed, check_sealed, is_expired, plan_bytes, read_plan
from orchestrator.app.session.saved.keys import key_in
from orchestrator.planning.saved.document import SavedPlan
from orchestrator.planning.saved.shown import shown_plan, shown_rollout, shown_undeclared
from orchestrator.report.history import commit_words, selection_words, who
from orchestrator.report.messages import Messages
from orchestrator.report.views import PlanView, SavedPlanView


def saved_view(path: Path, state_dir: Path, messages: Messages) -> SavedPlanView:
    """Return the view of a saved plan. Its seal can be checked where its key is in the state folder.

    Raises `UsageError`.
    """
    body = plan_bytes(path)
    saved, key = read_plan(path, body), key_in(state_dir)
    if key is not None and key.id == saved.key_id:
        check_sealed(path, saved, key)
    else:
        messages.mention("the plan's seal was not checked: its key is not here; it is checked when the plan is applied")
    try:
        view = PlanView(
            shown_plan(saved), rollout=shown_rollout(saved), undeclared=shown_undeclared(saved),
            warnings=tuple(saved.shown["warnings"]), skips_verification=saved.options.no_verify,
        )  # fmt: skip
        return SavedPlanView(_facts(path, saved), view, body)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise changed(path, f"it cannot be understood ({error!r})") from error


def _facts(path: Path, saved: SavedPlan) -> dict[str, str]:
    identity, options = saved.identity, saved.options
    over = " (it has expired)" if is_expired(path, saved, datetime.now(UTC)) else ""
    dirty = ", with uncommitted changes" if saved.dirty else ""
    given = [
        *(["--force"] if options.forced else []),
        *(f"--adopt {one}" for one in options.adopt),
        *(f"--again {one}" for one in options.again),
        *(f"--no-way-back {one}" for one in options.no_way_back),
        *(["--no-verify"] if options.no_verify else []),
        *(["--now"] if options.now else []),
    ]
    return {
        "plan": saved.id,
        "made": saved.made_at,
        "by": who(identity),
        "expires": f"{saved.expires_at}{over}",
        "manifest": identity.manifest,
        "environment": identity.environment,
        "commit": f"{commit_words(identity)}{dirty}",
        "folders": ", ".join(identity.folders),
        "clouds": ", ".join(identity.clouds),
        "endpoint": saved.endpoint,
        "selection": selection_words(identity),
        "options": " ".join(given),
        "packages": "uploaded: no sources needed" if saved.uploaded else "built from the sources when applied",
    }
