-- migrate:up
-- Everything here is folded from the log and can be dropped: an empty schema rebuilds itself.

-- How far each partition is folded. `last_*` is the record before `next`, to know the log again
-- by; all NULL when that record's envelope cannot be read.
CREATE TABLE offsets (
    topic          text        NOT NULL,
    partition      smallint    NOT NULL CHECK (partition >= 0),
    next           bigint      NOT NULL DEFAULT 0 CHECK (next >= 0),
    last_source    text,
    last_case      uuid,
    last_sequence  integer,
    last_event_id  uuid,
    last_logged_at timestamptz,
    log_end        bigint      NOT NULL DEFAULT 0,  -- what the folding replica saw as the end
    seen_at        timestamptz,                     -- and when
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);

-- What the reading rule and the fold remember of a case.
CREATE TABLE cases (
    case_id  uuid    PRIMARY KEY,
    seen     text    NOT NULL,          -- JSON: per source, the short ids applied, in order
    standing text    NOT NULL,          -- JSON: the folded case, see standing.py
    parked   text,                      -- why the case is set aside; NULL: it flows
    waits    integer NOT NULL CHECK (waits >= 0)   -- records that wait for a missing one
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.1, autovacuum_analyze_scale_factor = 0.5);
-- Nobody asks for these by their values; sampling and sorting such texts is most of an ANALYZE.
ALTER TABLE cases ALTER seen SET STATISTICS 0, ALTER standing SET STATISTICS 0;

-- Records that came before the one that precedes them.
CREATE TABLE waiting (
    case_id     uuid        NOT NULL,
    source      text        NOT NULL,
    sequence    integer     NOT NULL,
    event_id    uuid        NOT NULL,
    office      text,
    topic       text        NOT NULL,
    partition   smallint    NOT NULL,
    "offset"    bigint      NOT NULL,
    logged_at   timestamptz NOT NULL,
    key         bytea,
    headers     text        NOT NULL,
    value       bytea,
    PRIMARY KEY (case_id, source, sequence)
);
CREATE INDEX waiting_by_age ON waiting (logged_at);

-- Records that could not be folded (they have a reason), and all later ones of their cases.
CREATE TABLE parked (
    topic       text        NOT NULL,
    partition   smallint    NOT NULL,
    "offset"    bigint      NOT NULL,
    case_id     uuid        NOT NULL,
    office      text,
    logged_at   timestamptz NOT NULL,
    key         bytea,
    headers     text        NOT NULL,
    value       bytea,
    reason      text,
    PRIMARY KEY (topic, partition, "offset")
);
CREATE INDEX parked_by_case ON parked (case_id, "offset");
CREATE INDEX parked_fronts ON parked (logged_at, case_id) WHERE reason IS NOT NULL;

-- One row a case: where it stands.
CREATE TABLE status (
    case_id              uuid        PRIMARY KEY,
    registration_number  text,
    applicant            uuid        NOT NULL,
    procedure            text        NOT NULL,
    edition              text        NOT NULL,
    office               text        NOT NULL,
    channel              text        NOT NULL,
    result_kind          text        NOT NULL,
    synthetic            boolean     NOT NULL,
    stage                text        NOT NULL,   -- the holder; of a case that is over, the last
    step                 text,                   -- what is to be done; NULL: it is over
    by_rule              boolean     NOT NULL,   -- that step runs without a person
    turn                 integer     NOT NULL CHECK (turn >= 0),
    path                 text[]      NOT NULL,   -- the holders by turn
    state                text        NOT NULL CHECK (state IN (
        'lodged', 'registered', 'assigned', 'drafted', 'returned', 'signed',
        'issued', 'withdrawn', 'rejected')),
    executor             text,
    due_at               timestamptz,
    due_clause           text,
    due_rule             text,
    whole_due_at         timestamptz,
    overdue              boolean     NOT NULL,   -- the holder has said so
    withdrawal_requested boolean     NOT NULL,
    erased               boolean     NOT NULL,
    outcome              text        CHECK (outcome IN ('granted', 'refused')),
    result_number        text,
    lodged_at            timestamptz NOT NULL,
    registered_at        timestamptz,
    ended_at             timestamptz,
    partition            smallint    NOT NULL,
    "offset"             bigint      NOT NULL,
    CHECK ((step IS NULL) = (ended_at IS NOT NULL)),
    CHECK ((ended_at IS NULL) = (state NOT IN ('issued', 'withdrawn', 'rejected')))
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.1, autovacuum_analyze_scale_factor = 0.5);
-- Queues: the open cases of an office at a stage, the most urgent first.
CREATE INDEX status_queue ON status (office, stage, due_at, case_id) WHERE ended_at IS NULL;
CREATE INDEX status_queue_of_executor ON status (executor, due_at, case_id)
    WHERE ended_at IS NULL AND stage = 'executor';
CREATE INDEX status_queue_everywhere ON status (stage, due_at, case_id) WHERE ended_at IS NULL;
CREATE INDEX status_by_applicant ON status (applicant, case_id);
CREATE INDEX status_by_number ON status (registration_number)
    WHERE registration_number IS NOT NULL;
CREATE INDEX status_erased ON status (case_id) WHERE erased;

-- Every fact of a case, as it was told. Whether its source held the turn follows from
-- status.path, so it is asked, not stored: a path may become known later than the fact.
CREATE TABLE timeline (
    case_id     uuid        NOT NULL,
    source      text        NOT NULL,
    sequence    integer     NOT NULL CHECK (sequence > 0),
    place       integer     NOT NULL CHECK (place > 0),  -- in the order in which it was folded
    turn        integer     NOT NULL,
    event_id    uuid        NOT NULL,
    type        text        NOT NULL,
    kind        text        NOT NULL,
    actor       text        NOT NULL,
    recorded_at timestamptz NOT NULL,
    clause      text,                        -- named by the fact itself
    due_at      timestamptz,
    due_clause  text,
    due_rule    text,
    said        json        NOT NULL,        -- the event without its private part
    sealed      text,                        -- that part, never opened here
    topic       text        NOT NULL,
    partition   smallint    NOT NULL,
    "offset"    bigint      NOT NULL,
    PRIMARY KEY (case_id, source, sequence)
) WITH (autovacuum_analyze_scale_factor = 0.5, autovacuum_vacuum_insert_threshold = 100000);
ALTER TABLE timeline ALTER said SET STATISTICS 0, ALTER sealed SET STATISTICS 0;

-- The staff directory, from the department's own facts.
CREATE TABLE members (
    staff    text    PRIMARY KEY,
    office   text    NOT NULL,
    roles    text[]  NOT NULL,
    active   boolean NOT NULL,
    sealed   text    NOT NULL,               -- the name
    event_id uuid    NOT NULL,
    type     text    NOT NULL,
    sequence integer NOT NULL
);
CREATE INDEX members_by_office ON members (office, staff);
CREATE TABLE absences (
    sequence  integer PRIMARY KEY,
    staff     text    NOT NULL,
    first_day date    NOT NULL,
    last_day  date    NOT NULL
);
CREATE INDEX absences_by_day ON absences (last_day, first_day);
CREATE TABLE acting (
    sequence  integer PRIMARY KEY,
    role      text    NOT NULL,
    office    text    NOT NULL,
    staff     text    NOT NULL,
    first_day date    NOT NULL,
    last_day  date    NOT NULL
);
CREATE INDEX acting_by_day ON acting (last_day, first_day);

-- The live feed. The one row of `feed` is updated by every batch, so change numbers are without
-- gaps and in the order of the commits: a reader that goes by number misses nothing.
CREATE TABLE feed (
    singleton  boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    generation text    NOT NULL,             -- of this schema's life
    last       bigint  NOT NULL DEFAULT 0
);
INSERT INTO feed (generation) VALUES (left(replace(gen_random_uuid()::text, '-', ''), 12));
CREATE TABLE changes (
    change     bigint      PRIMARY KEY,
    case_id    uuid        NOT NULL,
    office     text,                         -- NULL: for operators only
    topic      text        NOT NULL,
    partition  smallint    NOT NULL,
    "offset"   bigint      NOT NULL
) WITH (autovacuum_analyze_scale_factor = 0.5);
