"""Our own commands reach a CI complete, whatever they contain, escaped as its documentation requires."""

from __future__ import annotations

import pytest

from orchestrator.redaction.ci_commands import github_command, gitlab_section_end, gitlab_section_start
from orchestrator.redaction.safe import Safe


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain: words, and more", "plain: words, and more"),
        ("50% of\r\n::error::x", "50%25 of%0D%0A::error::x"),
        ("%0A", "%250A"),
        ("", ""),
    ],
)
def test_a_text_is_on_one_line(text: str, written: str) -> None:
    assert github_command("error", text) == f"::error::{written}"


def test_values_are_escaped_more_and_left_out_where_there_is_none() -> None:
    command = github_command("error", "x", file="a,b:c%.toml", line=12, title="one\ntwo")
    assert command == "::error file=a%2Cb%3Ac%25.toml,line=12,title=one%0Atwo::x"
    assert github_command("error", "x", file="", line=0) == "::error::x"
    assert github_command("endgroup") == "::endgroup::"


def test_a_section_of_gitlab_has_a_name_of_its_letters() -> None:
    assert gitlab_section_start("a b]\r", Safe("Plan"), 17, folded=True) == (
        "\x1b[0Ksection_start:17:a_b_[collapsed=true]\r\x1b[0KPlan"
    )
    assert gitlab_section_start("a", Safe("Plan"), 17, folded=False) == "\x1b[0Ksection_start:17:a\r\x1b[0KPlan"
    assert gitlab_section_end("a b]\r", 18) == "\x1b[0Ksection_end:18:a_b_\r\x1b[0K"
