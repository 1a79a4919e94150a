"""`leadflow policy`: what is shown can be checked, changed, compared and put in force."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadflow.domain.policy import default_policy, load_policy, parse_policy
from leadflow_commands.policy_toml import policy_toml
from tests.cli.conftest import Run


@pytest.fixture
def changed() -> str:
    """A policy file by which a trial request alone makes a lead hot."""
    data = default_policy().as_data()
    data["name"] = "eager"
    data["thresholds"] = {"warm": 10, "hot": 20}
    data["rules"] = data["rules"][1:]
    Path("eager.toml").write_text(policy_toml(data))
    return "eager.toml"


def test_show_needs_no_store_for_the_shipped_policy(leadflow: Run) -> None:
    ran = leadflow("policy", "show", "--default")
    assert load_policy(ran.out) == default_policy()


def test_what_is_shown_can_be_put_in_force(leadflow: Run, ada: str, changed: str) -> None:
    assert load_policy(leadflow("policy", "show").out) == default_policy()
    assert leadflow("policy", "activate", changed, "--yes").code == 0
    shown = leadflow("policy", "show")
    assert load_policy(shown.out) == load_policy(Path(changed).read_text())
    assert leadflow("policy", "show", "--json").json["name"] == "eager"
    past = leadflow("policy", "show", "--at", "2026-01-01", "--json").json
    assert past["default"] is True


@given(st.dictionaries(st.text(min_size=1), st.text() | st.integers() | st.booleans(), min_size=1))
def test_any_text_survives_being_written(where: dict[str, str | int | bool]) -> None:
    data = default_policy().as_data()
    conditions = {f"dimensions.{name}": value for name, value in where.items()}
    data["rules"] = [
        {"name": 'a "rule"', "event": "lead.enriched", "points": 1, "where": conditions}
    ]
    policy = parse_policy(data)
    assert load_policy(policy_toml(policy.as_data())) == policy


def test_check(leadflow: Run, changed: str) -> None:
    ran = leadflow("policy", "check", changed, "--json")
    assert ran.json["valid"] is True
    assert ran.json["name"] == "eager"
    piped = leadflow("policy", "check", "-", stdin=Path(changed).read_text())
    assert piped.code == 0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("half_life_days", "half_lif_days", "half_lif_days"),
        ('event = "lead.engaged"', 'event = "lead.engagd"', "did you mean lead.engaged?"),
        ('kind = "webinar"', '"personal.name" = "x"', "personal data"),
        ("warm = 10", "warm = 99", "must lie below hot"),
        ("[thresholds]", "[thresholds", "no TOML"),
    ],
)
def test_a_wrong_policy_is_refused_with_the_place(
    leadflow: Run, changed: str, old: str, new: str, said: str
) -> None:
    text = Path(changed).read_text()
    assert old in text
    Path(changed).write_text(text.replace(old, new, 1))
    ran = leadflow("policy", "check", changed, "--json")
    assert (ran.code, ran.out) == (1, "")
    assert ran.error["message"].startswith(changed)
    assert said in ran.error["message"]


def test_activate_says_first_whom_it_changes(leadflow: Run, ada: str, changed: str) -> None:
    leadflow("lead", "engage", ada, "--kind", "trial_requested")
    lead_id = leadflow("lead", "show", ada, "--json").json["lead_id"]
    asked = leadflow("policy", "activate", changed)
    assert (asked.code, asked.out) == (1, "")
    assert "1 of 1 open leads change temperature" in asked.err
    assert lead_id in asked.err
    assert "--yes" in asked.err
    done = leadflow("policy", "activate", changed, "--yes", "--json").json
    assert done["activated"] is True
    (change,) = done["effects"]["changed"]
    assert (change["lead_id"], change["after"]) == (lead_id, "hot")
    assert change["would_enter_queue"] is True


def test_the_same_policy_again_changes_nothing(leadflow: Run, ada: str, changed: str) -> None:
    leadflow("policy", "activate", changed, "--yes")
    again = leadflow("policy", "activate", changed, "--yes", "--json")
    assert again.json["activated"] is False
    history = leadflow("policy", "history", "--json").json
    assert [entry["name"] for entry in history] == ["leadflow default 1", "eager"]
    assert history[0]["position"] == 1


def test_diff(leadflow: Run, ada: str, changed: str) -> None:
    ran = leadflow("policy", "diff", changed)
    assert "~ thresholds.hot: 70 → 20" in ran.out
    assert "- rule 'visit'" in ran.out
    found = leadflow("policy", "diff", changed, "--json").json["differences"]
    assert {"kind": "changed", "place": "thresholds.warm", "before": 30, "after": 10} in found
    first_hash = leadflow("policy", "history", "--json").json[0]["hash"]
    leadflow("policy", "activate", changed, "--yes")
    by_hash = leadflow("policy", "diff", first_hash[:8], changed, "--json").json
    assert by_hash["old"]["name"] == "leadflow default 1"
    assert "say the same" in leadflow("policy", "diff", changed).out
    assert leadflow("policy", "diff", "nowhere.toml").code == 1
