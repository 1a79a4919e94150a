"""Mapping files: what they may say, and how what is wrong with one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from leadflow_commands.importing.mapping_file import (
    SHIPPED,
    InvalidMapping,
    load_mapping,
    parse_mapping,
    shipped_mapping,
)
from tests.unit.importing.mappings import LEADS


def refused(text: str) -> InvalidMapping:
    with pytest.raises(InvalidMapping) as caught:
        parse_mapping(text, "map.toml")
    assert "\n" not in caught.value.message
    return caught.value


def line_with(text: str, part: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), 1) if part in line)


def test_the_shipped_mappings_are_valid() -> None:
    assert [shipped_mapping(name).name for name in SHIPPED] == list(SHIPPED)


def test_a_mapping_that_uses_all_of_the_language_is_valid() -> None:
    mapping = parse_mapping(LEADS, "map.toml")

    assert [rule.name for rule in mapping.rules] == ["captured", "researched", "bought"]
    assert mapping.rules[0].data["personal.email"].column == "e-mail"
    assert mapping.rules[0].data["channel"].value == "web"


def test_names_mail_and_notes_are_personal_unless_denied() -> None:
    mapping = parse_mapping(LEADS, "map.toml")

    assert mapping.is_personal("name")
    assert mapping.is_personal("e-mail")
    assert mapping.is_personal("First Name")
    assert mapping.is_personal("remark_internal")
    assert not mapping.is_personal("campaign name")
    assert not mapping.is_personal("industry")


@pytest.mark.parametrize(
    ("old", "new", "sentence", "hint"),
    [
        ('event = "lead.purchased"', 'event = "lead.purchase"', "unknown event", "lead.purchased"),
        ('order_id = "number"', 'order = "number"', "has no field 'order'", "order_id"),
        ('campaign = "campaign name"', 'campain = "campaign name"', "no field", "campaign"),
        ('time = "closed"', 'time = "close"', "there is no time 'close'", "closed"),
        ('otherwise = "created"', 'otherwise = "creatd"', "no time 'creatd'", "created"),
        ('otherwise = "refuse"', 'otherwise = "drop"', "'keep' or 'refuse'", None),
        ('values = "size"', 'values = "sizes"', "no map in [values] 'sizes'", "size"),
        ('as = "integer"', 'as = "decimal"', "'text', 'integer', 'number'", None),
        ('zone = "Europe/Berlin"', 'zone = "Berlin"', "there is no time zone 'Berlin'", None),
        ('delimiter = ";"', 'delimiter = ";;"', "at most 1 character", None),
        ('decimal = ","', 'encoding = "utf-9"', "there is no encoding 'utf-9'", None),
        ('decimal = ","', 'decimals = ","', "is not known", "decimal"),
        ('event = "lead.enriched"', 'evnt = "lead.enriched"', "evnt: is not known", None),
        ('system = "crm"', 'system = "our crm"', "'our crm' is no name", None),
        ('actor = "owner"', 'actor = "name"', "column 'name' is personal", None),
        ('campaign = "campaign name"', 'campaign = "e-mail"', "'e-mail' is personal", None),
        ('email = "e-mail"', 'mail = "e-mail"', "no personal field 'mail'", "email"),
        (', currency_column = "currency"', "", "money needs a column, and either currency", None),
        ('currency_column = "currency"', 'currency = "EUX"', "'EUX' is no ISO 4217", None),
        ('name = "bought"', 'name = "captured"', "two rules have the name 'captured'", None),
        ('channel = { value = "web" }', "channel = {}", "{ value = … }", None),
        ('actor = "owner"', "known_after_outcome = true", "is for lead.enriched alone", None),
        ("[rules.data.fields]", "[rules.data.field]", "no field 'field'", "fields"),
        ("columns = [", "column = [", "is not known", "columns"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    old: str, new: str, sentence: str, hint: str | None
) -> None:
    assert old in LEADS
    error = refused(LEADS.replace(old, new, 1))

    assert sentence in error.message
    assert error.message.startswith("map.toml, line ")
    if hint is not None:
        assert hint in (error.hint or "")


@pytest.mark.parametrize(
    ("old", "new", "marked"),
    [
        ('order_id = "number"', 'ordr = "number"', "ordr"),
        ('partner = { column = "partner", as = "boolean" }', 'partner = { as = "x" }', "partner ="),
        ('zone = "Europe/Berlin"\notherwise', 'zone = "Berlin"\notherwise', 'zone = "Berlin"'),
        ('name = "bought"', 'name = "captured "', 'name = "captured "'),
    ],
)
def test_the_line_is_that_of_the_key(old: str, new: str, marked: str) -> None:
    text = LEADS.replace(old, new, 1)

    assert f"line {line_with(text, marked)}, column " in refused(text).message


def test_a_rule_is_called_by_its_name() -> None:
    text = LEADS.replace('order_id = "number"', 'ordr = "number"', 1)

    assert "rule bought.data.ordr: " in refused(text).message


def test_times_that_lead_back_to_one_another() -> None:
    text = LEADS.replace("[times.closed]", '[times.closed]\nbasis = "day"', 1).replace(
        'zone = "Europe/Berlin"\n\n[times.closed]',
        'zone = "Europe/Berlin"\notherwise = "closed"\n\n[times.closed]',
    )

    assert "in a circle" in refused(text).message


def test_an_id_may_not_be_personal() -> None:
    assert (
        "no id may be"
        in refused(LEADS.replace('columns = ["number"]', 'columns = ["name"]')).message
    )


def test_what_is_no_toml_is_told_with_its_line() -> None:
    message = refused(LEADS + "\n[rules.more").message

    assert message.startswith("map.toml is no TOML")
    assert "at " in message


def test_an_empty_mapping_says_what_is_missing() -> None:
    assert refused("").message == "map.toml: name: is missing"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InvalidMapping, match="No such file"):
        load_mapping(tmp_path / "none.toml")
    latin = tmp_path / "latin.toml"
    latin.write_bytes('name = "é"'.encode("latin-1"))
    with pytest.raises(InvalidMapping, match="is no UTF-8 text"):
        load_mapping(latin)


def test_a_mapping_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    path.write_text(LEADS, encoding="utf-8-sig")

    assert load_mapping(path) == parse_mapping(LEADS, "map.toml")
