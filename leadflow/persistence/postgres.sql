-- The store on PostgreSQL, schema version 2. Run in one transaction.

-- The log. Positions are given by the append, never by a sequence: a sequence burns a value
-- with every transaction that is rolled back.
CREATE TABLE stored_events (
    position bigint PRIMARY KEY,
    originator_id uuid NOT NULL,
    originator_version bigint NOT NULL,
    topic text NOT NULL,
    state bytea NOT NULL,
    recorded_at bigint NOT NULL, -- microseconds since the epoch, UTC
    hash bytea NOT NULL,
    UNIQUE (originator_id, originator_version)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.5, toast_tuple_target = 4080);

-- The log's end. One row: whoever appends locks it first, and it is the only lock.
CREATE TABLE log_head (
    one integer PRIMARY KEY CHECK (one = 1),
    position bigint NOT NULL,
    hash bytea NOT NULL,
    recorded_at bigint NOT NULL,
    policy_position bigint NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 1000);
INSERT INTO log_head VALUES (1, 0, decode(repeat('00', 32), 'hex'), 0, 0);

-- Commands that were carried out: sent again, they are looked up here.
CREATE TABLE commands (
    command_id uuid PRIMARY KEY,
    fingerprint bytea NOT NULL,
    first_position bigint NOT NULL,
    count bigint NOT NULL
);

-- The leads' data keys, wrapped. NULL: the lead was erased.
CREATE TABLE lead_keys (
    lead_id uuid PRIMARY KEY,
    wrapped bytea
);

-- Keyed digests of addresses.
CREATE TABLE lead_addresses (
    digest bytea NOT NULL,
    lead_id uuid NOT NULL,
    PRIMARY KEY (digest, lead_id)
);
CREATE INDEX lead_addresses_by_lead ON lead_addresses (lead_id);

-- Further external ids of leads, written SYSTEM:ID.
CREATE TABLE lead_aliases (
    external_id text PRIMARY KEY,
    lead_id uuid NOT NULL
);

-- How far each partition of an inbox was read: moved on in the transaction that records its
-- messages, from where its holder last put it.
CREATE TABLE inbox_offsets (
    topic text NOT NULL,
    topic_partition integer NOT NULL,
    topic_id uuid NOT NULL,
    next_offset bigint NOT NULL,
    holder text NOT NULL,
    moved_at bigint NOT NULL,
    PRIMARY KEY (topic, topic_partition)
);

-- Messages that could not be recorded, sealed by the store's key.
CREATE TABLE dead_letters (
    letter_id uuid PRIMARY KEY,
    topic text NOT NULL,
    topic_id uuid NOT NULL,
    topic_partition integer NOT NULL,
    message_offset bigint NOT NULL,
    lead_id uuid,
    source text,
    type text,
    reason text NOT NULL,
    attempt integer NOT NULL,
    failed_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    published boolean NOT NULL,
    sealed bytea NOT NULL
);
CREATE INDEX dead_letters_by_lead ON dead_letters (lead_id);

-- Facts that wait for one before them, sealed by the store's key.
CREATE TABLE held_facts (
    held_id uuid PRIMARY KEY,
    topic text NOT NULL,
    topic_id uuid NOT NULL,
    topic_partition integer NOT NULL,
    message_offset bigint NOT NULL,
    lead_id uuid NOT NULL,
    lead_version bigint NOT NULL,
    subject text NOT NULL,
    source text NOT NULL,
    type text NOT NULL,
    held_at bigint NOT NULL,
    held_until bigint NOT NULL,
    sealed bytea NOT NULL
);
CREATE INDEX held_facts_by_lead ON held_facts (lead_id);

-- schema_version, store_id, created_at, key_check
CREATE TABLE leadflow_meta (
    name text PRIMARY KEY,
    value text NOT NULL
);
