"""From a row to facts: every kind of value, time and blank that a mapping can name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadflow.domain.values import FieldValue, Money, Personal, TimeBasis
from leadflow_commands.importing.compiling import Fact, RowFacts, RowReader, RowRefused
from leadflow_commands.importing.mapping_file import parse_mapping
from leadflow_commands.importing.reading import Row
from tests.unit.importing.mappings import HEADER, LEADS, ROW

COLUMNS = HEADER.split(";")
CELLS = dict(zip(COLUMNS, ROW.split(";"), strict=True))


def read(mapping: str = LEADS, **cells: str) -> RowFacts:
    """The facts of the row with some cells replaced; `_` in a name stands for a blank."""
    changes = {
        name.replace("_", " ") if name == "campaign_name" else name: v for name, v in cells.items()
    }
    row = {**CELLS, **changes}
    reader = RowReader(parse_mapping(mapping, "map.toml"), COLUMNS)
    return reader.read(Row(2, [row[column] for column in COLUMNS]))


def fact(facts: RowFacts, topic: str) -> Fact:
    return next(fact for fact in facts.facts if fact.topic == topic)


def refused(**cells: str) -> str:
    with pytest.raises(RowRefused) as caught:
        read(**cells)
    return str(caught.value)


def test_a_row_becomes_the_facts_of_its_rules() -> None:
    row = read()
    captured, enriched, purchased = row.facts

    assert row.lead == "crm:007"  # leading zeros live
    assert captured.fields == {
        "personal": Personal(name="Ada Example", email="ada@example.org", notes="call late"),
        "channel": "web",
        "source": "paid_search",
        "campaign": "spring",
        "external_ids": ("erp:E-9",),
    }
    assert enriched.fields == {
        "fields": {"employees": FieldValue(value=25), "partner": FieldValue(value=False)},
        "dimensions": {"industry": "retail", "company_size": "10-49"},
    }
    assert purchased.fields == {"order_id": "007", "amount": Money(minor=123_450, currency="EUR")}
    assert purchased.actor == "grace"


def test_exact_times_are_of_the_mappings_zone() -> None:
    time = fact(read(), "lead.captured").time

    assert time.moment == datetime(2026, 3, 2, 13, 30, tzinfo=UTC)
    assert time.basis is TimeBasis.EXACT


def test_a_date_alone_is_its_midnight_in_the_zone_and_known_to_the_day() -> None:
    time = fact(read(), "lead.purchased").time

    assert time.moment == datetime(2026, 4, 4, 22, tzinfo=UTC)  # summer time
    assert time.basis is TimeBasis.DAY


def test_the_next_column_counts_as_much_as_the_first() -> None:
    time = fact(read(created="", imported="09.03.2026"), "lead.captured").time

    assert (time.moment.day, time.basis) == (8, TimeBasis.DAY)


def test_another_time_that_stands_in_is_an_assumed_one() -> None:
    time = fact(read(closed="n/a"), "lead.purchased").time

    assert time.moment == datetime(2026, 3, 2, 13, 30, tzinfo=UTC)
    assert time.basis is TimeBasis.ASSUMED


def test_a_constant_is_an_assumed_time() -> None:
    time = fact(read(), "lead.enriched").time

    assert (time.moment, time.basis) == (datetime(2020, 1, 1, tzinfo=UTC), TimeBasis.ASSUMED)


def test_a_basis_that_the_mapping_names_holds() -> None:
    mapping = LEADS.replace("[times.closed]", '[times.closed]\nbasis = "assumed"')

    assert fact(read(mapping), "lead.purchased").time.basis is TimeBasis.ASSUMED


def test_blank_fields_are_left_out_and_zero_is_not_blank() -> None:
    row = read(source="n/a", campaign_name="", employees="0", industry="Select", value="n/a")

    assert "source" not in fact(row, "lead.captured").fields
    assert "campaign" not in fact(row, "lead.captured").fields
    assert fact(row, "lead.enriched").fields["fields"]["employees"] == FieldValue(value=0)
    assert "industry" not in fact(row, "lead.enriched").fields["dimensions"]
    assert "amount" not in fact(row, "lead.purchased").fields


def test_a_marker_of_one_column_is_a_value_in_another() -> None:
    assert fact(read(source="Select"), "lead.captured").fields["source"] == "select"


def test_enrichment_with_nothing_to_say_is_no_fact() -> None:
    row = read(industry="", size="", employees="", partner="")

    assert [fact.topic for fact in row.facts] == ["lead.captured", "lead.purchased"]


def test_fields_known_after_the_outcome_are_named() -> None:
    mapping = LEADS.replace('time = "long_ago"', 'time = "closed"\nknown_after_outcome = true')

    assert fact(read(mapping), "lead.enriched").fields["known_after_outcome"] == (
        "employees",
        "partner",
        "industry",
        "company_size",
    )


def test_ids_of_several_columns_cannot_be_confused() -> None:
    mapping = LEADS.replace('columns = ["number"]', 'columns = ["number", "erp_id"]')

    one, two = read(mapping, number="a/b", erp_id="c"), read(mapping, number="a", erp_id="b/c")
    assert one.lead != two.lead


def test_the_same_row_makes_the_same_messages_whatever_else_it_says() -> None:
    ids = [fact.message_id() for fact in read().facts]

    assert [fact.message_id() for fact in read(source="Messe").facts] == ids
    assert len(set(ids)) == 3
    assert not set(ids) & {fact.message_id() for fact in read(number="8").facts}


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"created": "2026-03-02"}, "created: '2026-03-02' is no date of the form %d.%m.%Y"),
        ({"created": "30.02.2026"}, "created: '30.02.2026' is no date"),
        ({"created": "", "imported": ""}, "created and imported: blank"),
        ({"number": " "}, "number: blank, and the lead's id needs it"),
        ({"size": "XXL"}, "size: 'XXL' is not among the values that the mapping knows"),
        ({"employees": "many"}, "employees: 'many' is no number with the decimal mark ','"),
        ({"employees": "2,5"}, "employees: '2,5' is no whole number"),
        ({"partner": "perhaps"}, "partner: 'perhaps' is neither yes nor no"),
        ({"value": "1.234,50"}, "value: '1.234,50' is no number"),
        ({"value": "1,505"}, "value: '1,505' has more digits than EUR has"),
        ({"currency": "EUX"}, "currency: 'EUX' is no ISO 4217 currency"),
        ({"currency": ""}, "currency: blank, so the amount has no currency"),
        ({"erp_id": "x" * 700}, "alias erp: "),
        ({"source": "x" * 10_001}, "rule captured: source"),
    ],
)
def test_a_cell_that_is_not_what_the_mapping_says_refuses_the_row(
    cells: dict[str, str], reason: str
) -> None:
    assert reason in refused(**cells)


def test_a_reason_never_shows_what_is_personal() -> None:
    reason = refused(remark_internal="secret " * 2_000)

    assert "secret" not in reason
    assert "personal.notes" in reason


def test_a_row_of_another_width_is_refused() -> None:
    reader = RowReader(parse_mapping(LEADS, "map.toml"), COLUMNS)

    with pytest.raises(RowRefused, match="2 fields where the header has 17"):
        reader.read(Row(5, ["a", "b"]))


@given(st.dictionaries(st.sampled_from(COLUMNS), st.text(max_size=12), max_size=6))
def test_any_cells_make_facts_or_a_reason(cells: dict[str, Any]) -> None:
    reader = RowReader(parse_mapping(LEADS, "map.toml"), COLUMNS)
    row = {**CELLS, **cells}
    try:
        facts = reader.read(Row(2, [row[column] for column in COLUMNS]))
    except RowRefused as refusal:
        reason = str(refusal)
    else:
        reason = ""
        assert facts.lead.startswith("crm:")
    assert "\n" not in reason
