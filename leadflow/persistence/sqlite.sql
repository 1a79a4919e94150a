-- The store on SQLite, schema version 2. Run in one transaction, on an empty database.

-- The log. Positions are given by the append, never by SQLite: they are gapless, and VACUUM
-- keeps them, as they are the primary key.
CREATE TABLE stored_events (
    position INTEGER PRIMARY KEY,
    originator_id TEXT NOT NULL,
    originator_version INTEGER NOT NULL,
    topic TEXT NOT NULL,
    state BLOB NOT NULL,
    recorded_at INTEGER NOT NULL, -- microseconds since the epoch, UTC
    hash BLOB NOT NULL,
    UNIQUE (originator_id, originator_version)
) STRICT;

-- The log's end. One row: whoever appends writes it.
CREATE TABLE log_head (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    position INTEGER NOT NULL,
    hash BLOB NOT NULL,
    recorded_at INTEGER NOT NULL,
    policy_position INTEGER NOT NULL
) STRICT;
INSERT INTO log_head VALUES (1, 0, zeroblob(32), 0, 0);

-- Commands that were carried out: sent again, they are looked up here.
CREATE TABLE commands (
    command_id BLOB PRIMARY KEY,
    fingerprint BLOB NOT NULL,
    first_position INTEGER NOT NULL,
    count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The leads' data keys, wrapped. NULL: the lead was erased.
CREATE TABLE lead_keys (
    lead_id TEXT PRIMARY KEY,
    wrapped BLOB
) STRICT, WITHOUT ROWID;

-- Keyed digests of addresses.
CREATE TABLE lead_addresses (
    digest BLOB NOT NULL,
    lead_id TEXT NOT NULL,
    PRIMARY KEY (digest, lead_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX lead_addresses_by_lead ON lead_addresses (lead_id);

-- Further external ids of leads, written SYSTEM:ID.
CREATE TABLE lead_aliases (
    external_id TEXT PRIMARY KEY,
    lead_id TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- How far each partition of an inbox was read: moved on in the transaction that records its
-- messages, from where its holder last put it.
CREATE TABLE inbox_offsets (
    topic TEXT NOT NULL,
    topic_partition INTEGER NOT NULL,
    topic_id TEXT NOT NULL,
    next_offset INTEGER NOT NULL,
    holder TEXT NOT NULL,
    moved_at INTEGER NOT NULL,
    PRIMARY KEY (topic, topic_partition)
) STRICT, WITHOUT ROWID;

-- Messages that could not be recorded, sealed by the store's key.
CREATE TABLE dead_letters (
    letter_id TEXT PRIMARY KEY,
    topic TEXT NOT NULL,
    topic_id TEXT NOT NULL,
    topic_partition INTEGER NOT NULL,
    message_offset INTEGER NOT NULL,
    lead_id TEXT,
    source TEXT,
    type TEXT,
    reason TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    failed_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    published INTEGER NOT NULL,
    sealed BLOB NOT NULL
) STRICT;
CREATE INDEX dead_letters_by_lead ON dead_letters (lead_id);

-- Facts that wait for one before them, sealed by the store's key.
CREATE TABLE held_facts (
    held_id TEXT PRIMARY KEY,
    topic TEXT NOT NULL,
    topic_id TEXT NOT NULL,
    topic_partition INTEGER NOT NULL,
    message_offset INTEGER NOT NULL,
    lead_id TEXT NOT NULL,
    lead_version INTEGER NOT NULL,
    subject TEXT NOT NULL,
    source TEXT NOT NULL,
    type TEXT NOT NULL,
    held_at INTEGER NOT NULL,
    held_until INTEGER NOT NULL,
    sealed BLOB NOT NULL
) STRICT;
CREATE INDEX held_facts_by_lead ON held_facts (lead_id);

-- schema_version, store_id, created_at, key_check
CREATE TABLE leadflow_meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
