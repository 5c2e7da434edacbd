-- migrate:up
-- For blue/green rebuilds, and for questions about the past. Of rows folded before this migration
-- the columns say what holds for all but the cases that were once parked or waited: of those, a
-- rebuild says it exactly.

-- The offset of the record with which a fact took effect: its own, unless it waited for a missing
-- one or stood behind a parked one. A status has that of its last fact.
ALTER TABLE timeline ADD COLUMN effective bigint;
UPDATE timeline SET effective = "offset";
ALTER TABLE timeline ALTER COLUMN effective SET NOT NULL;
ALTER TABLE status ADD COLUMN effective bigint;
UPDATE status SET effective = "offset";
ALTER TABLE status ALTER COLUMN effective SET NOT NULL;

-- When a case was parked, by the offsets of its partition: from one record until before another.
CREATE TABLE setbacks (
    case_id  uuid   NOT NULL,
    since    bigint NOT NULL,
    until    bigint CHECK (until > since),    -- NULL: it still is
    reason   text   NOT NULL,
    PRIMARY KEY (case_id, since)
);
INSERT INTO setbacks (case_id, since, reason)
SELECT case_id, "offset", reason FROM parked WHERE reason IS NOT NULL;
ALTER TABLE cases ADD COLUMN parked_since bigint;
UPDATE cases SET parked_since = since FROM setbacks WHERE setbacks.case_id = cases.case_id;

-- From which record on every change is among the changes: what a rebuild read in bulk is not.
ALTER TABLE offsets ADD COLUMN told_from bigint NOT NULL DEFAULT 0;

-- How these tables came to be, and whether they were found equal to those that were live.
CREATE TABLE origin (
    singleton    boolean     PRIMARY KEY DEFAULT true CHECK (singleton),
    reason       text        NOT NULL,
    began_at     timestamptz NOT NULL DEFAULT now(),
    folded_at    timestamptz,             -- up to the end of the log when it began
    compared_at  timestamptz,
    differences  bigint
);
-- What operators did with whole sets of tables; written where the live ones are afterwards.
CREATE TABLE acts (
    act     text        NOT NULL CHECK (act IN ('rebuild', 'swap', 'rollback', 'drop')),
    reason  text        NOT NULL,
    done_at timestamptz NOT NULL DEFAULT now(),
    done_by text        NOT NULL DEFAULT session_user
);
