"""Situations in which a run is rolled back, one per row. docs/rollback.md is generated from them, and a test plays
each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.flow import back_plays as play
from tests.flow.back_scene import ACCESS, LABELS, LATEST, SCALING, TAGS, Scene


@dataclass(frozen=True, slots=True)
class Row:
    """`situation` and `does`: texts for the page. `play`: everything up to the rollback. `left`: the parts that stay as
    they are just before the rollback; all others are as they were before the run. `says`: part of its messages. `new`
    and `old`: what the next plan does with the manifest of the run, and with the former one; "": there is none.
    """

    situation: str
    does: str
    play: Callable[[Scene], None]
    exit: int = 0
    left: frozenset[str] = frozenset()
    says: str = ""
    new: str = "withdrawn"
    old: str = "unchanged"


LATEST_STAYS, TAGS_STAY, LABELS_STAY, SCALING_STAYS, ACCESS_STAYS = (
    frozenset((part,)) for part in (LATEST, TAGS, LABELS, SCALING, ACCESS)
)
ALL_STAYS = LATEST_STAYS | TAGS_STAY | LABELS_STAY | SCALING_STAYS | ACCESS_STAYS
ROWS = (
    Row(
        "a new version, with tags and labels",
        "a copy of the previous version takes `$latest`; tags move back to their versions; labels are restored",
        play.both,
    ),
    Row("a new version, no tags", "a copy of the previous version takes `$latest`", play.latest_alone),
    Row("only a tag was moved", "the tag moves back", play.tag_alone, new="blocked"),
    Row("only labels and the function's description", "they are restored", play.labels_alone, new="update"),
    Row("only scaling policies", "they are restored or removed", play.scaling_alone, new="update"),
    Row(
        "someone has changed a scaling policy since",
        "nothing; the function is named",
        play.scaling_by_hand,
        exit=1,
        left=SCALING_STAYS,
        says="its scaling of $latest was changed since",
        new="update",
        old="update",
    ),
    Row("the function was made public", "it is no longer public", play.opened, new="update", old="unchanged"),
    Row(
        "the function was public before, and no longer is",
        "everything else: it stays private, and the command that makes it public is named",
        play.closed,
        exit=1,
        left=ACCESS_STAYS,
        says="--wider fun`",
        old="update",
    ),
    Row("the same, with `--wider`", "it is public again", play.closed_and_agreed_to),
    Row(
        "the Operation of the version failed",
        "labels that had changed before it are restored; nothing else was changed",
        play.build_failed,
        new="new version",
    ),
    Row(
        "the run created the function",
        "it stays and is named, because it may be in use; its tags are removed",
        play.created,
        left=LATEST_STAYS | LABELS_STAY,
        says="stays",
        new="retag",
        old="",
    ),
    Row(
        "the run created the function, and it was deleted since",
        "nothing: it does not exist, as before",
        play.created_and_deleted,
        left=ALL_STAYS,
        says="does not exist any more",
        new="create",
        old="",
    ),
    Row(
        "the function was deleted since",
        "nothing; the function is named",
        play.deleted,
        exit=1,
        left=ALL_STAYS,
        says="the function does not exist any more",
        new="create",
        old="create",
    ),
    Row(
        "the function was deleted and created again",
        "nothing: it is another function",
        play.made_again,
        exit=1,
        left=ALL_STAYS,
        says="the function does not exist any more",
        new="new version",
        old="new version",
    ),
    Row(
        "the previous version was made by hand",
        "its copy has its exact description, and no stamp",
        play.by_hand_before,
        old="",
    ),
    Row(
        "the previous version was made by hand, without a description",
        "the copy's description is only the back mark",
        play.by_hand_without_words,
        old="",
    ),
    Row(
        "the previous runtime was retired since",
        "tags and labels are restored, `$latest` stays; the cloud's refusal is reported",
        play.retired,
        exit=1,
        left=LATEST_STAYS,
        says="untime",
        new="blocked",
        old="blocked",
    ),
    Row(
        "a secret's version was destroyed since",
        "tags and labels are restored, `$latest` stays; the cloud's refusal is reported",
        play.destroyed,
        exit=1,
        left=LATEST_STAYS,
        says="e6q1",
        new="blocked",
        old="blocked",
    ),
    Row(
        "the service account was removed since",
        "tags and labels are restored, `$latest` stays; the cloud's refusal is reported",
        play.removed,
        exit=1,
        left=LATEST_STAYS,
        says="aje1",
        new="blocked",
        old="blocked",
    ),
    Row(
        "the previous version is OBSOLETE",
        "nothing; the function is named",
        play.obsolete,
        exit=1,
        left=LATEST_STAYS,
        says="which was live before, is OBSOLETE",
        new="unchanged",
        old="new version",
    ),
    Row(
        "the previous version is OBSOLETE, and a tag moves back to it",
        "the tag makes it ACTIVE again, then it is copied",
        play.obsolete_with_tag,
    ),
    Row(
        "the previous version was deleted",
        "nothing; the function is named",
        play.vanished,
        exit=1,
        left=LATEST_STAYS,
        says="which was live before, is gone",
        new="unchanged",
        old="new version",
    ),
    Row(
        "the version that had a tag was deleted",
        "`$latest` is restored; the tag stays where it is and is named",
        play.tag_vanished,
        exit=1,
        left=TAGS_STAY,
        says="which held the tag stable, is gone",
    ),
    Row(
        "a later run deployed in between",
        "what that run has not changed",
        play.later_run,
        exit=1,
        left=LATEST_STAYS | LABELS_STAY,
        says="was deployed since",
        new="new version",
        old="new version",
    ),
    Row(
        "someone has deployed by hand in between",
        "tags and labels; `$latest` is left alone, and who and when is reported",
        play.hotfix,
        exit=1,
        left=LATEST_STAYS,
        says="by ajesomebodyelse00000",
        new="blocked",
        old="blocked",
    ),
    Row(
        "someone has moved a tag since",
        "everything but the tag; who and when is reported",
        play.moved_by_hand,
        exit=1,
        says="by ajesomebodyelse00000",
        old="retag",
    ),
    Row(
        "someone has removed a tag since",
        "everything but the tag; who and when is reported",
        play.taken_away_by_hand,
        exit=1,
        says="the tag stable was removed since",
        old="retag",
    ),
    Row(
        "someone has changed a label since",
        "everything but that label",
        play.labels_changed,
        exit=1,
        says="its label team was changed since",
        old="update",
    ),
    Row("the run was stopped, or paused, after some functions", "the functions that it has changed", play.stopped),
    Row(
        "a rollback is rolled back",
        "what was live before it: a copy of the withdrawn version, and its tags",
        play.of_rollback,
    ),
    Row(
        "the same run a second time",
        "nothing: it is already restored",
        play.second_time,
        left=ALL_STAYS,
        says="nothing to roll back",
    ),
    Row(
        "the description leaves no room for the back mark",
        "the copy has the exact description and no mark",
        play.long_words,
        new="blocked",
        old="",
    ),
    Row(
        "the same, a second time",
        "nothing: it is already restored",
        play.long_words_again,
        left=ALL_STAYS,
        says="nothing to roll back",
        new="blocked",
        old="",
    ),
    Row("a chain of runs made several versions", "what was live before the first of them", play.chain),
    Row("an Operation with an unknown end that has ended since", "as if its end had been seen", play.end_unknown),
    Row("a request whose response was lost", "the version is recognised by its stamp", play.answer_lost),
    Row(
        "the version is still being created",
        "nothing yet; the program waits for it first, and exits with 3 if it does not end",
        play.still_made,
        exit=1,
        says="still being made",
        new="",
        old="",
    ),
    Row(
        "the run created the same version again (`--force`)",
        "a copy of the previous version",
        play.forced,
        new="unchanged",
    ),
    Row(
        "the cloud itself adds a setting that the program does not know", "it is left to the cloud", play.field_of_cloud
    ),
    Row(
        "the previous version has a setting that the program does not know",
        "it is sent unchanged",
        play.field_accepted,
        new="blocked",
        old="",
    ),
    Row(
        "such a setting is refused",
        "the function fails, and `--lossy NAMES` is named",
        play.field_refused,
        exit=1,
        left=LATEST_STAYS,
        says="--lossy fun",
        new="unchanged",
        old="",
    ),
    Row(
        "such a setting is refused, with `--lossy`",
        "it is left out",
        play.field_refused_lossy,
        left=frozenset(("unknown",)),
        old="",
    ),
    Row(
        "such a setting is dropped by the cloud",
        "the copy is live; the function fails, because it differs from the previous version",
        play.field_ignored,
        exit=1,
        left=frozenset(("unknown",)),
        says="gpuModel was not taken as it was sent",
        old="",
    ),
    Row("a function in another folder", "the same", play.elsewhere),
    Row(
        "`verify` and `promote`",
        "promoted and ring tags move back to the versions that had them; the copy gets none",
        play.ring_tags,
        old="unchanged",
    ),
    Row("a tag was promoted, and no version was created", "the tag moves back", play.promoted_alone, new="blocked"),
    Row(
        "a version was verified, nothing else",
        "nothing was changed",
        play.verified_alone,
        left=ALL_STAYS,
        new="unchanged",
    ),
    Row(
        "two tables are about one function",
        "neither was changed",
        play.twice_one_function,
        left=ALL_STAYS,
        new="blocked",
    ),
)
