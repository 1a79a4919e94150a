"""Grouping and filtering: by what, which value a cycle has, and what an unknown field says."""

from typing import Any

import pytest

from leadflow.errors import InvalidInput
from leadflow_projections.metrics.fields import UnknownField
from tests.unit.metrics.histories import History, by_value, reached


@pytest.fixture
def sources(history: History) -> History:
    """Four leads: two from a fair (one bought), one from an unknown source, one from none."""
    history("a", "captured", "2026-01-01", source="fair", campaign="spring")
    history("a", "purchased", "2026-01-02")
    history("b", "captured", "2026-01-01", source="fair")
    history("c", "captured", "2026-01-01", source="unknown")
    history("d", "captured", "2026-01-01")
    return history


def test_a_blank_source_is_a_group_of_its_own(sources: History) -> None:
    funnel = sources.funnel(by="source")
    assert by_value(funnel) == {"fair": (2, 1), "unknown": (1, 0), None: (1, 0)}
    assert [group.value for group in funnel.groups] == ["fair", "unknown", None]
    assert reached(funnel)["captured"] == 4


def test_conditions_on_one_field_are_alternatives_on_several_they_narrow(
    sources: History,
) -> None:
    def count(*where: tuple[str, str | None]) -> int:
        return reached(sources.funnel(where=where))["captured"]

    assert count(("source", "fair")) == 2
    assert count(("source", "fair"), ("source", None)) == 3
    assert count(("source", "fair"), ("campaign", "spring")) == 1
    assert count(("source", "nowhere")) == 0
    assert count(("source", "fair' OR '1'='1")) == 0


def test_a_later_cycle_has_the_source_that_reopened_it_else_the_first_one(
    history: History,
) -> None:
    for lead in "ab":
        history(lead, "captured", "2026-01-01", source="fair", sales_type="net")
        history(lead, "lost", "2026-01-02")
        history(lead, "reopened", "2026-02-01")
    history("a", "engaged", "2026-02-01", kind="application", source="newsletter")
    assert by_value(history.funnel(by="source")) == {"fair": (3, 0), "newsletter": (1, 0)}
    assert by_value(history.funnel(by="sales_type")) == {"net": (4, 0)}
    assert by_value(history.funnel(by="cycle")) == {"1": (2, 0), "2": (2, 0)}
    assert by_value(history.funnel(by="source", where=[("cycle", "2")])) == {
        "fair": (1, 0),
        "newsletter": (1, 0),
    }


def test_the_tier_holds_until_it_is_set_again_and_the_owner_for_the_cycle(
    history: History,
) -> None:
    history("a", "captured", "2026-01-01")
    history("a", "qualified", "2026-01-02", tier="SQL")
    history("a", "handed_over", "2026-01-03", to_owner="bob")
    history("a", "lost", "2026-01-04")
    history("a", "reopened", "2026-02-01")
    assert by_value(history.funnel(by="tier")) == {"SQL": (2, 0)}
    assert by_value(history.funnel(by="owner")) == {"bob": (1, 0), None: (1, 0)}


def test_dimensions_and_enriched_fields_of_the_leads(history: History) -> None:
    history("a", "captured", "2026-01-01")
    history("a", "enriched", "2026-01-02", dimensions={"region": "north"})
    history("a", "enriched", "2026-01-03", dimensions={"region": "it's south"})
    history(
        "a", "enriched", "2026-01-04", fields={"employees": {"value": 12}, "b2b": {"value": True}}
    )
    history("b", "captured", "2026-01-01")
    for name in ("dimension.region", "region"):
        assert by_value(history.funnel(by=name)) == {"it's south": (1, 0), None: (1, 0)}
        assert reached(history.funnel(where=[(name, "it's south")]))["captured"] == 1
    assert by_value(history.funnel(by="employees")) == {"12": (1, 0), None: (1, 0)}
    assert by_value(history.funnel(by="field.b2b")) == {"true": (1, 0), None: (1, 0)}
    assert by_value(history.funnel(by="region", as_of="2026-01-02")) == {
        "north": (1, 0),
        None: (1, 0),
    }


def test_a_name_of_both_kinds_must_be_written_in_full(history: History) -> None:
    history("a", "captured", "2026-01-01")
    history(
        *("a", "enriched", "2026-01-02"),
        dimensions={"size": "large"},
        fields={"size": {"value": 250}},
    )
    with pytest.raises(InvalidInput, match="both a dimension and an enriched field") as problem:
        history.funnel(by="size")
    assert problem.value.hint == "write dimension.size or field.size"
    assert by_value(history.funnel(by="field.size")) == {"250": (1, 0)}


def test_an_unknown_field_says_what_was_meant_and_what_there_is(history: History) -> None:
    history("a", "captured", "2026-01-01")
    history("a", "enriched", "2026-01-02", dimensions={"industry": "steel"})
    asked_both: list[dict[str, Any]] = [{"by": "indusrty"}, {"where": [("indusrty", "steel")]}]
    for asked in asked_both:
        with pytest.raises(UnknownField, match="no lead has a field 'indusrty'") as problem:
            history.funnel(**asked)
        assert problem.value.hint is not None
        assert problem.value.hint.startswith("did you mean dimension.industry?")
        assert "source, campaign" in problem.value.hint
    with pytest.raises(UnknownField) as problem:
        history.funnel(by="sorce")
    assert "did you mean source?" in str(problem.value.hint)


def test_of_nothing_no_field_is_unknown(history: History) -> None:
    assert history.funnel(by="industry").groups == ()
