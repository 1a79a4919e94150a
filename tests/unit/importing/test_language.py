"""The mapping language: conditions, groups, templates, values, consent, scores, joins."""

from __future__ import annotations

from typing import Any

import pytest

from leadflow.domain.values import FieldValue, TimeBasis
from leadflow_commands.importing.compiling import Fact, RowReader, RowRefused
from leadflow_commands.importing.errors import UnreadableFile
from leadflow_commands.importing.lookups import Lookup
from leadflow_commands.importing.mapping_file import InvalidMapping, parse_mapping
from leadflow_commands.importing.reading import Row

HEAD = """
name = "crm"
system = "crm"
[id]
columns = ["id"]
{id}
[times.day]
columns = ["day"]
formats = ["%Y-%m-%d"]
constant = 2020-01-01
"""


def reader(rules: str, header: str, *, before: str = "", in_id: str = "") -> RowReader:
    mapping = parse_mapping(before + HEAD.replace("{id}", in_id) + rules, "map.toml")
    return RowReader(mapping.of_kind(None), header.split(","))


def facts(rules: str, header: str, row: str, **more: str) -> tuple[Fact, ...]:
    return reader(rules, header, **more).read(Row(2, row.split(","))).facts


def invalid(rules: str, before: str = "") -> InvalidMapping:
    with pytest.raises(InvalidMapping) as caught:
        parse_mapping(before + HEAD.replace("{id}", "") + rules, "map.toml")
    assert "\n" not in caught.value.message
    return caught.value


def rule(when: str) -> str:
    return f"""
[[rules]]
name = "lost"
event = "lead.lost"
time = "day"
when = {when}
"""


@pytest.mark.parametrize(
    ("when", "texts"),
    [
        ('{ column = "s", equals = "Lost" }', {"Lost"}),
        ('{ column = "s", equals = "lost", fold_case = true }', {"Lost", "LOST"}),
        ('{ column = "s", equals = 5 }', {"5"}),
        ('{ column = "s", one_of = ["Lost", "5"] }', {"Lost", "5"}),
        ('{ column = "s", blank = true }', {""}),
        ('{ column = "s", blank = false }', {"Lost", "LOST", "5", "0"}),
        ('{ not = { column = "s", blank = true } }', {"Lost", "LOST", "5", "0"}),
        ('{ or = [{ column = "s", equals = "5" }, { column = "s", equals = "0" }] }', {"5", "0"}),
        (
            '{ and = [{ column = "s", blank = false }, { not = { column = "s", equals = "5" } }] }',
            {"Lost", "LOST", "0"},
        ),
    ],
)
def test_conditions(when: str, texts: set[str]) -> None:
    held = {
        text
        for text in ("", "Lost", "LOST", "5", "0")
        if facts(rule(when), "id,day,s", f"1,,{text}")
    }
    assert held == texts


@pytest.mark.parametrize(
    ("when", "numbers"),
    [
        ('{ column = "s", above = 5 }', {"6", "10"}),
        ('{ column = "s", at_least = 5 }', {"5", "6", "10"}),
        ('{ column = "s", below = 5.5 }', {"0", "5"}),
        ('{ column = "s", at_least = 5, at_most = 6 }', {"5", "6"}),
    ],
)
def test_numbers_compare_as_numbers_and_blank_is_none(when: str, numbers: set[str]) -> None:
    held = {
        text for text in ("", "0", "5", "6", "10") if facts(rule(when), "id,day,s", f"1,,{text}")
    }
    assert held == numbers


def test_a_number_that_is_none_refuses_the_row() -> None:
    with pytest.raises(RowRefused, match="s: 'many' is no number"):
        facts(rule('{ column = "s", above = 5 }'), "id,day,s", "1,,many")


STATUS = """
[[rules]]
name = "open"
event = "none"
group = "status"
when = { column = "s", one_of = ["Open", "New"] }
[[rules]]
name = "won"
event = "lead.purchased"
group = "status"
when = { column = "s", equals = "Won" }
time = "day"
data = { order_id = "id" }
[[rules.also]]
name = "accepted"
event = "lead.offer_accepted"
time = "day"
data = { offer_id = "id" }
[[rules]]
name = "lost"
event = "lead.lost"
group = "status"
when = { column = "s", equals = "Lost" }
time = "day"
"""


@pytest.mark.parametrize(
    ("status", "topics"),
    [
        ("Open", []),
        ("Won", ["lead.purchased", "lead.offer_accepted"]),
        ("Lost", ["lead.lost"]),
    ],
)
def test_a_status_is_of_one_rule_of_its_group(status: str, topics: list[str]) -> None:
    assert [f.topic for f in facts(STATUS, "id,day,s", f"1,,{status}")] == topics


def test_a_status_that_no_rule_knows_refuses_the_row() -> None:
    with pytest.raises(RowRefused, match="s: 'Stalled' fits no rule of the group status"):
        facts(STATUS, "id,day,s", "1,,Stalled")
    with pytest.raises(RowRefused, match="s: blank fits no rule of the group status"):
        facts(STATUS, "id,day,s", "1,,")


def test_a_group_may_take_the_rest_for_no_event() -> None:
    allowed = STATUS + '[groups.status]\notherwise = "none"\n'

    assert facts(allowed, "id,day,s", "1,,Stalled") == ()


@pytest.mark.parametrize(
    ("second", "sentence"),
    [
        ('{ column = "s", one_of = ["Lost", "Won"] }', "for s 'Won'"),
        ('{ column = "s", equals = "Won" }', "under the same condition"),
        ('{ column = "s", equals = "won", fold_case = true }', "for s 'won'"),
        ('{ and = [{ column = "s", equals = "Won" }, { column = "n", above = 1 }] }', "'Won'"),
    ],
)
def test_two_rules_that_can_both_be_first(second: str, sentence: str) -> None:
    rules = rule('{ column = "s", equals = "Won" }').replace("time", 'group = "g"\ntime')
    other = rule(second).replace('"lost"', '"other"', 1).replace("time", 'group = "g"\ntime')

    error = invalid(rules + other)

    assert "the rule lost can be first as well as other" in error.message
    assert sentence in error.message
    assert ", line " in error.message
    assert ", column " in error.message


@pytest.mark.parametrize(
    "second",
    [
        '{ column = "s", equals = "Open" }',
        '{ column = "other", equals = "Won" }',
        '{ column = "n", at_least = 3 }',
    ],
)
def test_rules_that_leave_room_for_one_another(second: str) -> None:
    rules = rule('{ column = "s", equals = "Won" }').replace("time", 'group = "g"\ntime')
    other = rule(second).replace('"lost"', '"other"', 1).replace("time", 'group = "g"\ntime')

    assert len(parse_mapping(HEAD.replace("{id}", "") + rules + other, "map.toml").rules) == 2


def test_a_rule_behind_one_that_takes_every_row_is_never_reached() -> None:
    every = rule("{}").replace("when = {}", 'group = "g"')
    other = rule('{ column = "s", equals = "Won" }').replace('"lost"', '"other"', 1)

    error = invalid(every + other.replace("time", 'group = "g"\ntime'))

    assert "for every row" in error.message


TEMPLATE = """
[[rules]]
name = "saw_{slug}"
for_each = { "Magazine Ad" = "magazine", "Search" = "search" }
event = "lead.engaged"
time = "day"
when = { column = "{column}", yes = true }
data = { kind = { value = "ad_seen" }, asset = { value = "{label}" } }
"""


def test_one_template_for_many_yes_no_columns() -> None:
    made = facts(TEMPLATE, "id,day,Magazine Ad,Search", "1,,Yes,No")

    assert [(f.rule, f.fields["asset"]) for f in made] == [("saw_magazine_ad", "magazine")]


def test_many_columns_into_fields() -> None:
    rules = """
[[rules]]
name = "answers"
event = "lead.enriched"
time = "day"
each = [
    { columns = ["Magazine Ad", "Search"], as = "boolean" },
    { columns = { Job = "occupation" }, into = "dimensions", name = "{label}" },
]
"""
    (made,) = facts(rules, "id,day,Magazine Ad,Search,Job", "1,,Yes,,Student")

    assert made.fields == {
        "fields": {"magazine_ad": FieldValue(value=True)},
        "dimensions": {"occupation": "Student"},
    }


def test_inverted_flags_withdraw_consent() -> None:
    rules = """
[[rules]]
name = "no_mail"
event = "lead.consent_withdrawn"
time = "day"
when = { column = "Do Not Contact", yes = true }
data = { channel = { value = "email" } }
"""
    assert [f.topic for f in facts(rules, "id,day,Do Not Contact", "1,,Yes")] == [
        "lead.consent_withdrawn"
    ]
    assert facts(rules, "id,day,Do Not Contact", "1,,No") == ()


COUNTED = """
[[rules]]
name = "visits"
event = "lead.engaged"
time = "day"
data = { kind = { value = "visit" }, count = { column = "n", as = "integer" } }
"""


@pytest.mark.parametrize(("text", "count"), [("5", 5), ("5.0", 5), ("0", None), ("", None)])
def test_counters_become_engagements_of_that_count(text: str, count: int | None) -> None:
    made = facts(COUNTED, "id,day,n", f"1,,{text}")

    assert [f.fields["count"] for f in made] == ([] if count is None else [count])


def test_a_score_of_another_system_as_opening_points_and_as_a_field() -> None:
    rules = """
[[rules]]
name = "opening"
event = "lead.scored"
time = "day"
data = { points = { column = "score", as = "integer" }, reason = { value = "score of crm" } }
[[rules]]
name = "kept"
event = "lead.enriched"
time = "day"
data.fields.score = { column = "score", as = "number" }
"""
    scored, kept = facts(rules, "id,day,score", "1,,42")
    assert (scored.fields["points"], kept.fields["fields"]["score"].value) == (42, 42)
    assert facts(rules, "id,day,score", "1,,") == ()


@pytest.mark.parametrize(
    ("how", "text", "value"),
    [
        ('as = "number"', "2.50", "2.5"),
        ('as = "number"', "1200", 1200),
        ('as = "integer", scale = 2', "2.5", 250),
        ('as = "integer", strip = "%"', "12 %", 12),
        ('otherwise = "none told"', "", "none told"),
        ('as = "boolean"', "N", False),
    ],
)
def test_values(how: str, text: str, value: Any) -> None:
    rules = f"""
[[rules]]
name = "kept"
event = "lead.enriched"
time = "day"
data.fields.x = {{ column = "x", {how} }}
"""
    (made,) = facts(rules, "id,day,x", f"1,,{text}")

    assert made.fields["fields"]["x"].value == value


def test_names_of_several_columns_are_joined() -> None:
    rules = """
[[rules]]
name = "captured"
event = "lead.captured"
time = "day"
data.personal.name = { columns = ["First Name", "Last Name"] }
"""
    (made,) = facts(rules, "id,day,First Name,Last Name", "1,,Ada,Example")
    assert made.fields["personal"].name == "Ada Example"
    (made,) = facts(rules, "id,day,First Name,Last Name", "1,,,Example")
    assert made.fields["personal"].name == "Example"


EVENTS = """
[values.types]
map = { visit = "lead.engaged", bought = "lead.purchased", seen = "none" }
otherwise = "refuse"
[[rules]]
name = "event"
event = { column = "type", values = "types" }
time = "day"
data = { kind = { value = "visit" }, order_id = "ref" }
"""
FURTHER = 'repeated = "further"\nrows = ["ref"]'


def test_one_event_a_row_by_a_column() -> None:
    read = reader(EVENTS, "id,day,type,ref", in_id=FURTHER)
    rows = [
        read.read(Row(2, ["7", "2026-03-01", kind, f"r{n}"]))
        for n, kind in enumerate(("visit", "bought", "seen"))
    ]

    assert [[f.topic for f in row.facts] for row in rows] == [
        ["lead.engaged"],
        ["lead.purchased"],
        [],
    ]
    assert rows[1].facts[0].fields == {"order_id": "r1"}
    assert rows[0].facts[0].message_id() != rows[1].facts[0].message_id()
    with pytest.raises(RowRefused, match="type: 'flew' is not among the values"):
        read.read(Row(5, ["7", "", "flew", "r9"]))


def test_further_rows_without_an_id_of_their_own_are_told_apart_by_content() -> None:
    read = reader(EVENTS, "id,day,type,ref", in_id='repeated = "further"')
    one, same, other = (
        read.read(
            Row(
                2,
                [
                    "7",
                    "2026-03-01",
                    "visit",
                    "",
                ][:4],
            )
        )
        .facts[0]
        .message_id(),
        read.read(Row(3, ["7", "2026-03-01", "visit", ""])).facts[0].message_id(),
        read.read(Row(4, ["7", "2026-03-02", "visit", ""])).facts[0].message_id(),
    )
    assert one == same != other


def test_an_ambiguous_date_refuses_the_row() -> None:
    two = rule('{ column = "s", blank = false }')
    mapping = HEAD.replace("{id}", "").replace('["%Y-%m-%d"]', '["%d/%m/%Y", "%m/%d/%Y"]')
    read = RowReader(parse_mapping(mapping + two, "m").of_kind(None), ["id", "day", "s"])

    with pytest.raises(RowRefused, match="day: '03/04/2026' is ambiguous: 2026-04-03 as %d"):
        read.read(Row(2, ["1", "03/04/2026", "x"]))
    assert read.read(Row(2, ["1", "25/04/2026", "x"])).facts[0].time.moment.day == 25
    assert read.read(Row(2, ["1", "04/04/2026", "x"])).facts[0].time.moment.day == 4


def test_a_file_without_dates_has_assumed_times() -> None:
    (made,) = facts(rule('{ column = "s", blank = false }'), "id,day,s", "1,,x")

    assert (made.time.moment.year, made.time.basis) == (2020, TimeBasis.ASSUMED)


def test_columns_known_after_the_outcome_are_recorded_and_may_not_score() -> None:
    after = 'known_after_outcome = ["grade"]\n'
    kept = """
[[rules]]
name = "kept"
event = "lead.enriched"
time = "day"
data.fields = { grade = "grade", size = "size" }
"""
    (made,) = facts(kept, "id,day,grade,size", "1,,A,big", before=after)
    assert made.fields["known_after_outcome"] == ("grade",)

    scored = COUNTED.replace('"n"', '"grade"')
    assert "known only after the outcome" in invalid(scored, before=after).message
    tested = COUNTED + 'when = { column = "grade", equals = "A" }\n'
    assert "known only after the outcome" in invalid(tested, before=after).message


@pytest.mark.parametrize(
    ("rules", "what"),
    [
        (rule('{ column = "Email", equals = "ada@example.org" }'), "a condition"),
        (COUNTED.replace('value = "visit"', 'column = "Phone"'), "kind"),
        (EVENTS.replace('column = "type"', 'column = "Comment"'), "the event"),
        (TEMPLATE.replace('"Magazine Ad" =', '"Last Name" ='), "a condition"),
    ],
)
def test_personal_columns_fill_personal_alone(rules: str, what: str) -> None:
    message = invalid(rules).message

    assert "is personal and may fill personal alone" in message
    assert what in message


def test_an_alias_may_not_be_personal() -> None:
    with pytest.raises(InvalidMapping, match="'Email' is personal, and no id may be"):
        parse_mapping(HEAD.replace("{id}", 'aliases = { mail = "Email" }') + COUNTED, "map.toml")


def test_whether_a_personal_column_is_blank_may_be_asked() -> None:
    made = facts(rule('{ column = "Email", blank = false }'), "id,day,Email", "1,,ada@example.org")

    assert len(made) == 1


SECRET = "Ada Lovelace 1815"


@pytest.mark.parametrize(
    "path",
    ["birth", "personal.name"],
)
def test_no_refusal_quotes_what_is_personal(path: str) -> None:
    rules = f"""
[values.known]
map = {{ a = "b" }}
otherwise = "refuse"
[times.birth]
columns = ["Birthdate"]
formats = ["%Y-%m-%d"]
[[rules]]
name = "captured"
event = "lead.captured"
time = "{"birth" if path == "birth" else "day"}"
data.personal.name = {{ column = "Name"{', values = "known"' if path != "birth" else ""} }}
"""
    with pytest.raises(RowRefused) as caught:
        facts(rules, "id,day,Birthdate,Name", f"1,,{SECRET},{SECRET}")

    assert SECRET not in str(caught.value)
    assert "what stands there" in str(caught.value)


def test_a_position_whose_header_sounds_personal_has_to_be_declared() -> None:
    rules = """
[[rules]]
name = "kept"
event = "lead.enriched"
time = "day"
data.fields.x = "#3"
"""
    header = "id,day,E-Mail,E-Mail"
    with pytest.raises(UnreadableFile, match="column #3 is called 'E-Mail', which sounds personal"):
        reader(rules, header)
    assert reader(rules, header, before='not_personal = ["#3"]\n').unused == ("#4",)
    with pytest.raises(InvalidMapping, match="'#3' is personal"):
        reader(rules, header, before='personal = ["#3"]\n')


def test_columns_that_no_rule_names_are_listed() -> None:
    read = reader(COUNTED, "id,day,n,industry,,tag,tag")

    assert read.unused == ("industry", "#5", "#6", "#7")


def test_rows_are_joined_with_those_of_another_file() -> None:
    rules = """
[[rules]]
name = "kept"
event = "lead.enriched"
time = "day"
data.dimensions.sector = "accounts.sector"
[files.accounts]
key = ["code"]
"""
    mapping = parse_mapping(
        'joins = { accounts = "account" }\n' + HEAD.replace("{id}", "") + rules, "map.toml"
    ).of_kind(None)
    for refuse in (False, True):
        lookup = Lookup("accounts.csv", ("sector",), {("a1",): ("energy",)}, refuse)
        read = RowReader(mapping, ["id", "day", "account"], {"accounts": lookup})
        (made,) = read.read(Row(2, ["1", "", "a1"])).facts
        assert made.fields["dimensions"] == {"sector": "energy"}
        assert read.read(Row(3, ["2", "", ""])).facts == ()
        if refuse:
            with pytest.raises(RowRefused, match=r"account: there is no such row in accounts\.csv"):
                read.read(Row(4, ["3", "", "a9"]))
        else:
            assert read.read(Row(4, ["3", "", "a9"])).facts == ()


def test_thousands() -> None:
    rules = """
[reading]
decimal = ","
thousands = "."
delimiter = ";"
[[rules]]
name = "won"
event = "lead.purchased"
time = "day"
data = { order_id = "id", amount = { column = "v", as = "money", currency = "EUR", strip = "€" } }
"""
    read = reader(rules, "id,day,v")
    (made,) = read.read(Row(2, ["1", "", "1.234.567,50 €"])).facts
    assert made.fields["amount"].minor == 123_456_750
    with pytest.raises(RowRefused, match="is no number"):
        read.read(Row(3, ["1", "", "1.23,50"]))
