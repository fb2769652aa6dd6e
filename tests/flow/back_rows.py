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
        "a copy of the former version takes `$latest`; tags go back to the versions that held them; labels go back",
        play.both,
    ),
    Row("a new version, no tags", "a copy of the former version takes `$latest`", play.latest_alone),
    Row("a tag alone was moved", "the tag goes back", play.tag_alone, new="blocked"),
    Row("labels and description of the function alone", "they go back", play.labels_alone, new="update"),
    Row("scaling policies alone", "they go back: set again, or taken away", play.scaling_alone, new="update"),
    Row(
        "somebody changed a scaling policy since",
        "nothing; it is named",
        play.scaling_by_hand,
        exit=1,
        left=SCALING_STAYS,
        says="its scaling of $latest was changed since",
        new="update",
        old="update",
    ),
    Row("the function was made public", "it is not public any more", play.opened, new="update", old="unchanged"),
    Row(
        "the function was public before, and is not any more",
        "all but that: it stays closed, and the line that opens it is named",
        play.closed,
        exit=1,
        left=ACCESS_STAYS,
        says="--wider fun`",
        old="update",
    ),
    Row("the same, with `--wider`", "anybody may invoke it again", play.closed_and_agreed_to),
    Row(
        "the Operation of the version failed",
        "labels that had changed before it go back; nothing else was touched",
        play.build_failed,
        new="new version",
    ),
    Row(
        "the run created the function",
        "it stays and is named: somebody may call it; its tags go",
        play.created,
        left=LATEST_STAYS | LABELS_STAY,
        says="stays",
        new="retag",
        old="",
    ),
    Row(
        "the run created the function, and it was deleted since",
        "nothing: it is as it was",
        play.created_and_deleted,
        left=ALL_STAYS,
        says="does not exist any more",
        new="create",
        old="",
    ),
    Row(
        "the function was deleted since",
        "nothing; it is named",
        play.deleted,
        exit=1,
        left=ALL_STAYS,
        says="the function does not exist any more",
        new="create",
        old="create",
    ),
    Row(
        "the function was deleted and made again",
        "nothing: it is another function",
        play.made_again,
        exit=1,
        left=ALL_STAYS,
        says="the function does not exist any more",
        new="new version",
        old="new version",
    ),
    Row(
        "the former version was made by hand",
        "its copy has its description to the letter, and no stamp of ours",
        play.by_hand_before,
        old="",
    ),
    Row(
        "the former version was made by hand, without a description",
        "the back mark is all of the copy's description",
        play.by_hand_without_words,
        old="",
    ),
    Row(
        "the former runtime was retired since",
        "tags and labels go back, `$latest` stays: the cloud's refusal is told",
        play.retired,
        exit=1,
        left=LATEST_STAYS,
        says="untime",
        new="blocked",
        old="blocked",
    ),
    Row(
        "a secret's version was destroyed since",
        "tags and labels go back, `$latest` stays: the cloud's refusal is told",
        play.destroyed,
        exit=1,
        left=LATEST_STAYS,
        says="e6q1",
        new="blocked",
        old="blocked",
    ),
    Row(
        "the service account was removed since",
        "tags and labels go back, `$latest` stays: the cloud's refusal is told",
        play.removed,
        exit=1,
        left=LATEST_STAYS,
        says="aje1",
        new="blocked",
        old="blocked",
    ),
    Row(
        "the former version is OBSOLETE",
        "nothing; it is named",
        play.obsolete,
        exit=1,
        left=LATEST_STAYS,
        says="which was live before, is OBSOLETE",
        new="unchanged",
        old="new version",
    ),
    Row(
        "the former version is OBSOLETE, and a tag goes back to it",
        "the tag makes it ACTIVE again, then it is copied",
        play.obsolete_with_tag,
    ),
    Row(
        "the former version is gone",
        "nothing; it is named",
        play.vanished,
        exit=1,
        left=LATEST_STAYS,
        says="which was live before, is gone",
        new="unchanged",
        old="new version",
    ),
    Row(
        "the version that held a tag is gone",
        "`$latest` goes back, the tag stays where it is and is named",
        play.tag_vanished,
        exit=1,
        left=TAGS_STAY,
        says="which held the tag stable, is gone",
    ),
    Row(
        "a later run deployed in between",
        "nothing of what that run has changed; the rest goes back",
        play.later_run,
        exit=1,
        left=LATEST_STAYS | LABELS_STAY,
        says="was deployed since",
        new="new version",
        old="new version",
    ),
    Row(
        "somebody deployed by hand in between",
        "tags and labels go back, `$latest` is left alone: who and when is said",
        play.hotfix,
        exit=1,
        left=LATEST_STAYS,
        says="by ajesomebodyelse00000",
        new="blocked",
        old="blocked",
    ),
    Row(
        "somebody moved a tag since",
        "all but the tag: who and when is said",
        play.moved_by_hand,
        exit=1,
        says="by ajesomebodyelse00000",
        old="retag",
    ),
    Row(
        "somebody took a tag away since",
        "all but the tag: who and when is said",
        play.taken_away_by_hand,
        exit=1,
        says="the tag stable was removed since",
        old="retag",
    ),
    Row(
        "somebody changed a label since",
        "all but that label",
        play.labels_changed,
        exit=1,
        says="its label team was changed since",
        old="update",
    ),
    Row("the run was stopped, or paused, after some functions", "those that it has touched go back", play.stopped),
    Row(
        "a rollback is rolled back",
        "what was live before it goes back: a copy of what was withdrawn, and its tags",
        play.of_rollback,
    ),
    Row(
        "the same run a second time",
        "nothing: it is back",
        play.second_time,
        left=ALL_STAYS,
        says="nothing to roll back",
    ),
    Row(
        "the description leaves no room for the back mark",
        "the copy has the description to the letter and no mark",
        play.long_words,
        new="blocked",
        old="",
    ),
    Row(
        "the same, a second time",
        "nothing: it is back",
        play.long_words_again,
        left=ALL_STAYS,
        says="nothing to roll back",
        new="blocked",
        old="",
    ),
    Row("a chain of runs made several versions", "what was live before the first of them", play.chain),
    Row("an Operation whose end was not seen, and that has ended since", "as if it had been seen", play.end_unknown),
    Row("a request whose answer was lost", "what it made is known by its stamp", play.answer_lost),
    Row(
        "the version is still being made",
        "nothing yet; the program waits for it first, and ends with 3 where it does not end",
        play.still_made,
        exit=1,
        says="still being made",
        new="",
        old="",
    ),
    Row("the run made the same again (`--force`)", "a copy of the former version", play.forced, new="unchanged"),
    Row(
        "the cloud itself adds a setting that the program does not know", "it is left to the cloud", play.field_of_cloud
    ),
    Row(
        "the former version has a setting that the program does not know",
        "it is sent as it is",
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
        "the copy serves; the function fails, since that is not what was live",
        play.field_ignored,
        exit=1,
        left=frozenset(("unknown",)),
        says="gpuModel was not taken as it was sent",
        old="",
    ),
    Row("a function in another folder", "the same", play.elsewhere),
    Row(
        "`verify` and `promote`",
        "promoted and ring tags go back to the versions that held them; the copy gets none",
        play.ring_tags,
        old="unchanged",
    ),
    Row("a tag was promoted, no version made", "the tag goes back", play.promoted_alone, new="blocked"),
    Row(
        "a version was verified, nothing else",
        "nothing was changed",
        play.verified_alone,
        left=ALL_STAYS,
        new="unchanged",
    ),
    Row("two tables mean one function", "neither was touched", play.twice_one_function, left=ALL_STAYS, new="blocked"),
)
