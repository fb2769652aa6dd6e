"""What the enumerated words of published documents mean: for docs/json.md."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.journal.event_json import OUTCOMES
from orchestrator.manifest.notify.notify_tables import Notice
from orchestrator.model import Action, ChangeKind, Step, Verdict, WayBackKind
from orchestrator.planning.prune.rule import Why
from orchestrator.planning.why.facts import Held, MadeBy, WaitsFor
from orchestrator.report.account.spent import PARTS
from orchestrator.report.display.board import STATUSES
from orchestrator.report.published.common import STATES, WHY_LIMIT
from orchestrator.report.records import NOT_ENDED

# Words, and where they are all listed.
WORDS: Mapping[str, tuple[tuple[str, ...], Mapping[str, str]]] = {
    "action": (
        tuple(Action),
        {
            "create": "the function is created, with its first version",
            "new version": "a new version of the sources or of a package",
            "copy": "a new version with the code of another one",
            "retag": "the live version gets tags that it lacks",
            "update": "the function's own settings change, and its version stays",
            "verify": "the live version is verified, and gets its promoted tags",
            "prune": "old versions are deleted",
            "unchanged": "nothing: it is up to date",
            "blocked": "nothing: the change is impossible, or needs a decision",
        },
    ),
    "outcome": (
        (*OUTCOMES, NOT_ENDED),
        {
            "deployed": "the desired state is live; after a rollback: put back",
            "pruned": "its old versions are deleted",
            "unchanged": "it was up to date",
            "failed": "a call, a build or a verification failed",
            "blocked": "not started: the change is impossible, or needs a decision",
            "cancelled": "not started: the run ended first",
            "unknown": "started, and its end was not seen: `resume` asks again",
            "inconclusive": "its version is live, and the verification was neither passed nor failed",
            "not ended": "the run is in progress, or was killed",
        },
    ),
    "state": (
        STATES,
        {
            "done": "it ended with exit 0",
            "failed": "it ended with another exit code; or its rollback left something as it was",
            "interrupted": "it was cut off, or ended with exit 3: `resume` continues it",
            "paused": "it waits: `promote` continues it",
            "rolled back": "it ended with exit 5, or a rollback took all of it back",
            "given up": "`resume --give-up`: what it left undone will not be done",
            "running": "it is in progress",
        },
    ),
    "step": (
        tuple(Step),
        {
            "build": "its build command runs",
            "package": "the zip is made",
            "upload": "the zip is put into the bucket",
            "queue": "it waits for a slot",
            "function": "the function is created",
            "update": "the function's own settings are changed",
            "create": "a new version is asked for",
            "tag": "a tag is moved",
            "delete": "a version is deleted",
            "track": "the Operation runs",
            "verify": "the new version is called, and its answer checked",
            "observe": "what is live is read back",
        },
    ),
    "call": (
        tuple(ChangeKind),
        {
            "create": "creates the function",
            "update": "changes the function's own settings",
            "createVersion": "creates a version, which takes `$latest` and its tags",
            "setTag": "moves a tag to another version, or removes it",
            "setScalingPolicy": "sets or removes the scaling policy of a tag",
            "updateAccessBindings": "lets anyone invoke the function, or stops that",
            "deleteVersion": "deletes a version",
            "verify": "no call of the API: the version itself is called",
        },
    ),
    "verdict": (
        tuple(Verdict),
        {"passed": "it works", "failed": "it does not work", "inconclusive": "it could not be called as it should be"},
    ),
    "way back": (
        tuple(WayBackKind),
        {
            "copy": "a copy of the previous version takes `$latest`; tags and own settings go back",
            "tags only": "tags and own settings go back, `$latest` does not",
            "none": "nothing goes back",
            "stays": "the function was created by this run, and stays",
        },
    ),
    "part": (
        PARTS,
        {
            "bound": "functions wait, and all slots of a folder or cloud that they need are in use",
            "waiting": "functions wait for the request rate, after refusals, or for the first calls",
            "wave": "Operations run, no function of this wave waits, and the next wave is still to come",
            "tail": "Operations run, and no function waits: the end of the run",
            "verifying": "new versions are verified",
            "preparing": "packages are made or uploaded",
            "pause": "a declared pause between two waves",
            "gate": "a gate judges",
            "outage": "the cloud does not respond",
            "rolling back": "another run rolls this one back",
            "reading back": "what is live is read back",
            "other": "anything else",
        },
    ),
    "why a limit": (
        tuple(WHY_LIMIT["enum"]),
        {
            "quota-manager": "at the start: the cloud said so",
            "learned before": "at the start: an earlier run found out",
            "declared": "at the start: declared in the manifest, or documented",
            "refused": "lowered: the cloud had no room",
            "others use it": "lowered: others have Operations in flight there too",
            "calm": "raised: nothing was refused for a while",
        },
    ),
    "why it goes or stays": (
        tuple(Why),
        {
            "last run": "the function's last run failed, was stopped, or has not ended",
            "$latest": "it is `$latest`",
            "tagged": "it has a tag",
            "being made or deleted": "the cloud is at it",
            "unfinished operation": "its function has an unfinished Operation",
            "named in the manifest": "the manifest names it",
            "of a recent run": "a rollback of one of the last runs would need it",
            "newest": "it is among the newest versions of its function",
            "made by others": "this tool did not make it, and `--all` was not given",
            "evidence": "it shows who made what is live, or what was withdrawn",
            "without records": "it is not old enough to go without records of runs",
            "not of this run": "the run that is resumed did not include it",
            "old": "none of these: it goes",
        },
    ),
    "compared": (
        tuple(Held),
        {
            "same": "it is live so",
            "changed": "another value is live",
            "added": "the live version has none",
            "removed": "the live version has it, and the next one would not",
            "not compared": "it is not known",
            "left as it is live": "another value is live, which the manifest leaves to others",
        },
    ),
    "waits for": (
        tuple(WaitsFor),
        {
            "plan": "the plan of the command, which connects, builds and plans",
            "wave": "its wave",
            "pause": "the end of a pause",
            "approval": "someone who promotes the run",
            "gate": "the gate",
            "package": "its package",
            "slot": "a slot",
            "answer": "the response of a call",
            "retry": "the next try of a call",
            "operation": "its Operation",
            "verification": "its verification",
            "cloud": "the cloud, which does not respond",
            "tags": "the second phase, in which its tags move",
            "lease": "a run on another machine",
            "rollback": "its rollback",
            "end": "the end of the run, when what is live is read back",
            "nothing": "nothing: its run starts no more functions",
        },
    ),
    "made by": (
        tuple(MadeBy),
        {
            "run": "a run that is known here",
            "tool": "this tool, in a run that is not known here",
            "hand": "someone with other means, or someone edited it since",
        },
    ),
    "status of a job": (
        STATUSES,
        {
            "done": "nothing is left to do",
            "old tags": "`$latest` is done; traffic by a tag still reaches an old version",
            "waiting": "not done yet",
            "failed": "the last run of the job failed on it",
            "skipped": "the job leaves it out",
        },
    ),
    "notice": (
        tuple(Notice.__args__),  # type: ignore[attr-defined]  # of a Literal
        {
            "failed": "it ended, and some functions failed; or it was interrupted",
            "breach": "more functions failed than are allowed",
            "rolled_back": "it was rolled back",
            "paused": "it waits: `promote` continues it",
            "done": "it ended with exit 0",
        },
    ),
}
# Kinds of failures: by `kind`, what it means. Codes of the cloud are written as the cloud names them.
FAILURE_KINDS: Mapping[str, str] = {
    "adoption": "the change would remove something that someone made by other means",
    "build": "the build command failed",
    "changed since": "what is live has changed since the run that is resumed",
    "changed since the plan": "what is live has changed since the saved plan",
    "description": "the description leaves no room for the fingerprint",
    "entry point": "the package does not have the entry point",
    "job": "the job cannot do this function",
    "left as live": "a value that is left as it is live cannot be kept",
    "moved by hand": "a tag was moved by hand since the plan",
    "name": "no service account or secret has that name",
    "no such function": "no function has that id, or that name",
    "no such version": "no version has that id",
    "no usable answer": "the call had no answer, or none that could be read",
    "no way back": "the change could not be rolled back",
    "not what was wanted": "what was read back is not what was asked for",
    "not back": "something was changed by other means, so a rollback left it alone",
    "overwritten": "the new version replaced one that someone else made meanwhile",
    "package": "the package cannot be made, is too large, or cannot be stored",
    "quota": "the change would exceed a quota",
    "rollback not ended": "a rollback of the function has not ended",
    "rolled back by name": "the function was rolled back by its name since",
    "same function": "two keys of the manifest are one function",
    "secret": "a secret cannot be used",
    "unknown fields": "the live version has settings that this program does not know",
    "unreadable fields": "the live version has settings that the account may not read",
    "verification": "the verification failed",
    "withdrawn": "a run rolled this very version back",
}
