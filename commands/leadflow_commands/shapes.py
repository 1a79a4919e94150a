"""The documented shapes of `--json`: keys may be added, never renamed."""

from __future__ import annotations

from typing import Final

SHAPES: Final = {
    "store init": '{"created", "url", "key", "schema_version"}',
    "store info": '{"url", "server", "schema_version", "store_id", "created_at", "key", '
    '"last_position", "leads", "last_recorded_at", "bytes"}',
    "store migrate": '{"from_version", "to_version"}',
    "store backup": '{"path", "key_file", "last_position"}',
    "import": '{"rows", "accepted", "unchanged", "refused", "leads", "events", "irregular", '
    '"refusals": [{"line", "reason"}]}',
    "lead VERB, queue release, queue hand-over": '{"lead_id", "version", "stage", "score", '
    '"repeated", "events": [{"type", "id", "occurred_at"}]}',
    "lead show, and a list of these: lead find": '{"lead_id", "version", "stage", '
    '"furthest_stage", "cycle", "phase", "temperature", "tier", "target", "score", "score_now", '
    '"lifetime_score", "owner", "lease_until", "stage_since", "captured_at", "ready_since", '
    '"response_due", "last_contact_at", "source", "campaign", "channel", "landing_page", '
    '"sales_type", "revenue", "permissions", "fields", "dimensions", "irregular", '
    '"merged_into", "absorbed", "erased", "personal"}',
    "lead history": '[{"specversion", "id", "source", "type", "subject", "time", "data", …}], '
    "CloudEvents 1.0",
    "lead explain": '{"lead_id", "score", "columns": [{"column", "value", "events": '
    '[{"position", "version", "type", "id", "occurred_at", "says"}]}], "points": [{"points", '
    '"reason", "rule", "dimension", "policy", "occurred_at", "cause": {"id", "type"}}]}',
    "board": '[{"lead_id", "stage", "since", "furthest", "cycle", "phase", "points", "tier", '
    '"target", "source", "owner", "revenue", "temperature", "score", "score_now", …}], the '
    "columns of the view stage_board",
    "queue list": '[{"rank", "lead_id", "score", "temperature", "ready_since", '
    '"waiting_seconds", "response_due", "overdue", "owner", "lease_until", "channels", "why": '
    '[{"event", "occurred_at", "position", "reason", "points"}]}]',
    "queue claim": '{"lead_id", "owner", "lease_until", "version", "score", "temperature", '
    '"response_due", "personal"}',
    "policy show": '{"name", "hash", "default", "policy"}',
    "policy check": '{"valid", "name", "hash", "rules"}',
    "policy activate": '{"activated", "name", "hash", "effects": {"leads", "changed": '
    '[{"lead_id", "before", "after", "would_enter_queue"}], "would_enter_queue"}}',
    "policy history": '[{"position", "name", "hash", "actor", "occurred_at", "recorded_at"}]',
    "policy diff": '{"old": {"name", "hash"}, "new": {"name", "hash"}, "differences": '
    '[{"kind", "place", "before", "after"}]}',
    "metrics funnel": '{"as_of", "known_at", "position", "steps": [{"stage", "reached", '
    '"entered", "lost", "disqualified", "open", "step_conversion", "overall_conversion"}]}, '
    'with --by {"by", "groups": [{"value", "steps"}]}',
    "metrics durations": '[{"name", "n", "open", "mean", "median", "q1", "q3", "least", '
    '"greatest", "unit"}]',
    "projections list": '[{"projection", "version", "fingerprint", "tables", "live_build", '
    '"position", "current"}]',
    "projections status": '[{"projection", "version", "build", "role", "state", "position", '
    '"high_water_mark", "lag_events", "lag_seconds", "events_per_second", "eta_seconds", '
    '"parked", "last_error", "runner": {"host", "pid", "heartbeat_age_seconds"}}]',
    "projections run": '{"positions": {"stage_board": n}}',
    "projections rebuild": '{"projections", "events", "seconds", "events_per_second", '
    '"peak_memory_mb"}',
    "kafka ingest": '{"recorded", "repeated", "irregular", "held", "dead_letters"}',
    "dead-letters list": '[{"letter_id", "reason", "why", "attempt", "failed_at", "expires_at", '
    '"source", "type", "lead_id", "topic", "partition", "offset", "published"}]',
    "dead-letters show": 'as in the list, and "key", "value", "headers"',
    "dead-letters retry": '{"tried", "recorded", "repeated", "failed", "failures": '
    '[{"letter_id", "reason", "why"}]}',
    "dead-letters discard": '{"discarded"}',
    "log stats": '{"events", "leads", "last_position", "last_recorded_at", "by_type": '
    '{"lead.captured": n}}',
    "log verify": '{"ok", "events", "hash"}, or {"ok", "position", "what"} and exit 3',
    "log export": '{"events", "path", "format", "personal"}',
    "doctor": '{"ok", "checks": [{"name", "verdict", "says", "hint"}]}',
    "any error, on stderr": '{"error": {"code", "message", "hint"}}',
}
