"""The scoring policy: rules, thresholds, phases, tiers, queue and response times.

A policy is data. It is validated here, stands whole in the log (`policy.activated`),
and never reads personal data.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import tomllib
from collections.abc import Mapping
from functools import cache, cached_property
from importlib.resources import files
from typing import Annotated, Any, Final, Literal, cast

import orjson
from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator

from leadflow.domain import events
from leadflow.domain.validation import one_sentence
from leadflow.domain.values import ContactChannel, EngagementKind, Text, Value
from leadflow.domain.working_hours import ResponseTimes, WorkingHours
from leadflow.errors import InvalidInput

Scalar = bool | int | str


class Range(Value):
    """A condition on a number: at least, at most, or both."""

    at_least: int | None = None
    at_most: int | None = None


Condition = Scalar | tuple[Scalar, ...] | Range


def fulfils(value: Any, want: Condition) -> bool:
    """Whether a value is what a condition asks for; the unknown fulfils nothing."""
    if value is None:
        return False
    if isinstance(want, Range):
        number = isinstance(value, int) and not isinstance(value, bool)
        above = number and (want.at_least is None or value >= want.at_least)
        return bool(above and (want.at_most is None or value <= want.at_most))
    return value in want if isinstance(want, tuple) else value == want


class Criterion(Value):
    """A condition on an enriched field or dimension."""

    field: Text
    condition: Condition


class Rule(Value):
    """Gives points for an event whose fields meet every condition."""

    name: Text
    event: Text
    where: dict[str, Condition] = Field(default_factory=dict)
    points: int = Field(ge=-1000, le=1000)
    dimension: Text = "engagement"
    per: Literal["once", "event", "day"] = "event"
    cap: int | None = Field(default=None, gt=0)
    """At most so many points (for a negative rule: so many lost) in a cycle."""

    @field_validator("event")
    @classmethod
    def _known_event(cls, topic: str) -> str:
        scorable = [e.topic for e in events.LEAD_EVENTS if e.topic != "lead.scored"]
        if topic not in scorable:
            near = difflib.get_close_matches(topic, scorable, 1)
            raise ValueError(
                f"unknown event {topic!r}"
                + (f"; did you mean {near[0]}?" if near else f"; one of {', '.join(scorable)}")
            )
        return topic

    @model_validator(mode="after")
    def _known_fields(self) -> Rule:
        own = events.own_fields(events.BY_TOPIC[self.event])
        for path in self.where:
            head = path.partition(".")[0]
            if head == "personal":
                raise ValueError(f"rule {self.name!r} reads personal data ({path}); no rule may")
            if head not in own:
                fields = [name for name in own if name != "personal"]
                raise ValueError(
                    f"rule {self.name!r}: {self.event} has no field {path!r}; "
                    f"it has {', '.join(fields)}"
                )
        return self


class Thresholds(Value):
    """From which decayed score on a lead is warm, and hot."""

    warm: int = 30
    hot: int = 70

    @model_validator(mode="after")
    def _ascending(self) -> Thresholds:
        if self.warm >= self.hot:
            raise ValueError(f"warm ({self.warm}) must lie below hot ({self.hot})")
        return self


class HighIntent(Value):
    """How repeated actions confirm interest."""

    kinds: frozenset[EngagementKind] = frozenset()
    actions: int = Field(default=2, ge=2)
    window_days: int = Field(default=30, gt=0)


class Phases(Value):
    """Which kind of engagement means which buying phase."""

    early: frozenset[EngagementKind] = frozenset()
    mid: frozenset[EngagementKind] = frozenset()
    late: frozenset[EngagementKind] = frozenset()

    @model_validator(mode="after")
    def _one_phase_each(self) -> Phases:
        twice = (self.early & self.mid) | (self.early & self.late) | (self.mid & self.late)
        if twice:
            raise ValueError(f"in two phases: {', '.join(sorted(twice))}")
        return self


class Tiers(Value):
    """Which kind of engagement makes an IQL, and which an MQL."""

    iql: frozenset[EngagementKind] = frozenset()
    mql: frozenset[EngagementKind] = frozenset()


class Queue(Value):
    """The order of the sales-ready queue, and how long a claim lasts."""

    order: tuple[Literal["overdue", "temperature", "score", "waiting"], ...] = (
        "overdue",
        "temperature",
        "score",
        "waiting",
    )
    lease_minutes: int = Field(default=240, gt=0)


class ConsentRules(Value):
    """Channels that need consent before use."""

    required: frozenset[ContactChannel] = frozenset()


class Intake(Value):
    """When an open lead that nobody cared for is reported."""

    contact_within_days: int = Field(default=14, gt=0)


class Policy(Value):
    """A whole scoring policy; see `default_policy.toml` for what each part means."""

    # Sets are written in order so that the same policy always has the same hash.
    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))

    name: Text
    half_life_days: Annotated[int, Field(gt=0)] | None = None
    thresholds: Thresholds = Thresholds()
    high_intent: HighIntent = HighIntent()
    phases: Phases = Phases()
    tiers: Tiers = Tiers()
    target: tuple[Criterion, ...] = ()
    """A lead that meets all of these is a target; one that fails any is none."""
    queue: Queue = Queue()
    response: ResponseTimes = ResponseTimes()
    working_hours: WorkingHours = WorkingHours()
    consent: ConsentRules = ConsentRules()
    intake: Intake = Intake()
    rules: tuple[Rule, ...] = ()

    @model_validator(mode="after")
    def _names_are_unique(self) -> Policy:
        names = [rule.name for rule in self.rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two rules are named {twice[0]!r}; points must name their rule")
        return self

    def as_data(self) -> dict[str, Any]:
        """The whole policy as plain data, in one canonical order."""
        return cast("dict[str, Any]", _in_order(self.model_dump(mode="json", exclude_none=True)))

    @cached_property
    def hash(self) -> str:
        """What the policy says, as 16 hexadecimal digits."""
        data = orjson.dumps(self.as_data(), option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(data).hexdigest()[:16]

    @cached_property
    def _rules(self) -> dict[tuple[str, str | None], tuple[Rule, ...]]:
        """The rules by topic, and by kind where they ask for one: most ask for nothing else."""
        return {}

    def rules_for(self, topic: str, kind: str | None) -> tuple[Rule, ...]:
        """The rules that an event of this topic (and kind of engagement) may meet."""
        found = self._rules.get((topic, kind))
        if found is None:
            found = tuple(
                rule
                for rule in self.rules
                if rule.event == topic
                and ("kind" not in rule.where or fulfils(kind, rule.where["kind"]))
            )
            self._rules[topic, kind] = found
        return found


_SETS: Final = {"kinds", "early", "mid", "late", "iql", "mql", "required"}


def _in_order(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value)
        return {key: _in_order(part, key) for key, part in items.items()}
    if isinstance(value, list):
        parts = [_in_order(part) for part in cast("list[object]", value)]
        return sorted(parts) if name in _SETS else parts
    return value


def parse_policy(data: dict[str, Any], where: str = "policy") -> Policy:
    """Validate a policy given as data.

    Raises:
        InvalidInput: naming the first thing that is wrong, and where.
    """
    try:
        return Policy.model_validate(data)
    except ValidationError as error:
        raise InvalidInput(
            f"{where}: {_named_rule(one_sentence(error, _names()), data)}",
            hint="`leadflow policy show` prints a policy to start from",
        ) from error


def _names() -> set[str]:
    """All that a policy can say, to suggest what was meant."""
    parts = (Policy, Rule, Criterion, Thresholds, HighIntent, Phases, Tiers, Queue)
    more = (ResponseTimes, WorkingHours, ConsentRules, Intake)
    return {name for part in (*parts, *more) for name in part.model_fields}


_RULE_PLACE: Final = re.compile(r"rules\.(\d+)(?:\.|(?=:))")


def _named_rule(sentence: str, data: Mapping[str, Any]) -> str:
    """Name a rule as its author did, instead of by its number."""
    place = _RULE_PLACE.match(sentence)
    if place is None:
        return sentence
    rule: Any = data["rules"][int(place[1])]
    name = cast("dict[str, Any]", rule).get("name") if isinstance(rule, dict) else None
    called = f" ({name!r})" if name else ""
    return f"rule {int(place[1]) + 1}{called}, {sentence[place.end() :].removeprefix(': ')}"


def load_policy(text: str, where: str = "policy") -> Policy:
    """Read a policy from TOML text; `where` names it in errors.

    Raises:
        InvalidInput: naming the first thing that is wrong, and where.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{where} is no TOML: {error}") from error
    return parse_policy(data, where)


@cache
def default_policy_text() -> str:
    """The shipped default policy as TOML, with its comments."""
    return files("leadflow.domain").joinpath("default_policy.toml").read_text("utf-8")


@cache
def default_policy() -> Policy:
    """The shipped default policy, recorded by a store's first append."""
    return load_policy(default_policy_text(), "the default policy")
