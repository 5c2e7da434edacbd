-- migrate:up
-- The tables of one stage; each stage has them in a schema of its own, and reads no other.
-- Rows are found by key only, so what the planner knows of them need not be of the last minute:
-- with Postgres's own setting an ANALYZE of each table a minute cost a case a tenth of its time.

CREATE TABLE journal (
    position    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id     uuid        NOT NULL,
    sequence    integer     NOT NULL CHECK (sequence > 0),
    event_id    uuid        NOT NULL,
    event_type  text        NOT NULL,
    attributes  text        NOT NULL,         -- the envelope, canonical JSON: what the chain hashes
    data        text        NOT NULL,         -- the event, as it is published
    hash        text        NOT NULL,         -- of the two above; the next event carries it
    recorded_at timestamptz NOT NULL,
    UNIQUE (case_id, sequence)                -- two writers cannot both take the next place
) WITH (autovacuum_analyze_scale_factor = 1, autovacuum_vacuum_insert_threshold = 100000);

-- Nobody asks for these by their values; sampling and sorting such texts is most of an ANALYZE.
ALTER TABLE journal
    ALTER attributes SET STATISTICS 0, ALTER data SET STATISTICS 0, ALTER hash SET STATISTICS 0;

CREATE INDEX journal_erasures ON journal (case_id)
    WHERE event_type = 'qyzmet.intake.personal-data-erased.v1';

-- A case file is evidence: what was said is never changed or taken back.
CREATE FUNCTION journal_is_for_ever() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the journal is append-only: % refused', TG_OP;
END $$;
CREATE TRIGGER journal_rows_stay BEFORE UPDATE OR DELETE ON journal
    FOR EACH ROW EXECUTE FUNCTION journal_is_for_ever();
CREATE TRIGGER journal_stays BEFORE TRUNCATE ON journal
    FOR EACH STATEMENT EXECUTE FUNCTION journal_is_for_ever();

-- What still has to be sent. The journal itself is never updated.
CREATE TABLE outbox (
    position    bigint      PRIMARY KEY,
    recorded_at timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

CREATE TABLE published (
    position    bigint      PRIMARY KEY,
    partition   smallint    NOT NULL CHECK (partition >= 0),
    "offset"    bigint      NOT NULL CHECK ("offset" >= 0)
) WITH (autovacuum_analyze_scale_factor = 1);

-- The stage's state of a case: folded from its own journal and from the log, never the truth.
-- What changes stands in the middle, also of the state: of a row that is updated Postgres logs
-- neither the equal beginning nor the equal end.
CREATE TABLE cases (
    case_id     uuid        PRIMARY KEY,
    head        text        NOT NULL,         -- hash of this stage's last event of the case
    claim       text,                         -- what the open case takes up for others
    parked      text,                         -- why the case is set aside; NULL: it flows
    version     integer     NOT NULL,         -- how often it was written: nobody writes over another
    waits       boolean     NOT NULL DEFAULT false,
    due         timestamptz,                  -- when the case is looked at again; NULL: it need not be
    seen        text        NOT NULL,         -- JSON: per source, the short ids applied, in order
    state       text        NOT NULL          -- JSON of the stage's state
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.1, autovacuum_analyze_scale_factor = 1);
ALTER TABLE cases
    ALTER seen SET STATISTICS 0, ALTER state SET STATISTICS 0, ALTER head SET STATISTICS 0;
CREATE INDEX cases_by_claim ON cases (claim) WHERE claim IS NOT NULL;
CREATE INDEX cases_parked ON cases (case_id) WHERE parked IS NOT NULL;
CREATE INDEX cases_waiting ON cases (case_id) WHERE waits;
CREATE INDEX cases_by_due ON cases (due) WHERE due IS NOT NULL AND parked IS NULL;

-- How far the log was read. `last_*` is the record before `next`, to know the log again by.
CREATE TABLE offsets (
    topic         text     NOT NULL,
    partition     smallint NOT NULL,
    next          bigint   NOT NULL CHECK (next >= 0),
    last_event_id uuid,
    PRIMARY KEY (topic, partition)
);

-- Records set aside: behind a gap (waits) or behind a fault of their case.
CREATE TABLE parked (
    topic      text        NOT NULL,
    partition  smallint    NOT NULL,
    "offset"   bigint      NOT NULL,
    case_id    uuid        NOT NULL,
    event_id   uuid,
    headers    text        NOT NULL,          -- JSON: name to base64 of the value, as received
    data       bytea       NOT NULL,
    waits      boolean     NOT NULL,
    reason     text        NOT NULL,
    parked_at  timestamptz NOT NULL,
    PRIMARY KEY (topic, partition, "offset")
);
CREATE INDEX parked_by_case ON parked (case_id);

CREATE TABLE errands (
    event_id     uuid        NOT NULL,        -- the receiver's idempotency key
    kind         text        NOT NULL,
    case_id      uuid        NOT NULL,
    attempts     integer     NOT NULL DEFAULT 0,
    next_at      timestamptz NOT NULL,
    leased_until timestamptz,
    PRIMARY KEY (event_id, kind)
);
CREATE INDEX errands_by_time ON errands (next_at);

-- What dedupes a client's repeat; it can be read back from the envelopes of the journal.
CREATE TABLE requests (
    key        text        PRIMARY KEY,
    request    text        NOT NULL,
    case_id    uuid        NOT NULL,
    sequence   integer     NOT NULL
) WITH (autovacuum_analyze_scale_factor = 1);
