-- migrate:up

-- Lists of cases, the newest first: of an office, of all; by how they ended; of an executor. Each
-- serves its list in order, so a page costs the same however many cases there are. Those with a
-- condition take a row once, when the case ends.
CREATE INDEX status_by_lodging ON status (office, lodged_at, case_id);
CREATE INDEX status_by_lodging_everywhere ON status (lodged_at, case_id);
CREATE INDEX status_by_ending ON status (office, state, lodged_at, case_id)
    WHERE ended_at IS NOT NULL;
CREATE INDEX status_by_ending_everywhere ON status (state, lodged_at, case_id)
    WHERE ended_at IS NOT NULL;
CREATE INDEX status_by_executor ON status (executor, office, lodged_at, case_id)
    WHERE executor IS NOT NULL;

-- The register of results, the last first.
CREATE INDEX status_results ON status (office, ended_at, case_id) WHERE state = 'issued';
CREATE INDEX status_results_everywhere ON status (ended_at, case_id) WHERE state = 'issued';

-- Messages to applicants, what became of each and why.
CREATE TABLE notices (
    case_id  uuid        NOT NULL,
    sequence integer     NOT NULL CHECK (sequence > 0),   -- in notify's journal of the case
    office   text        NOT NULL,
    way      text        NOT NULL,
    template text        NOT NULL,
    outcome  text        NOT NULL CHECK (outcome IN ('sent', 'failed')),
    reason   text,
    at       timestamptz NOT NULL,
    PRIMARY KEY (case_id, sequence),
    CHECK ((reason IS NOT NULL) = (outcome = 'failed'))
);
CREATE INDEX notices_by_time ON notices (office, at, case_id, sequence);
CREATE INDEX notices_everywhere ON notices (at, case_id, sequence);
CREATE INDEX notices_failed ON notices (office, at, case_id, sequence) WHERE outcome = 'failed';

-- By which words of the applicant's name a case is found: keyed hashes of their beginnings, no
-- name. A row goes with the case's key (ADR 0025). words NULL: the name is still to be read.
CREATE TABLE names (
    case_id uuid     PRIMARY KEY,
    words   bigint[]
) WITH (fillfactor = 80);
CREATE INDEX names_by_word ON names USING gin (words) WHERE words IS NOT NULL;
CREATE INDEX names_to_read ON names (case_id) WHERE words IS NULL;
INSERT INTO names (case_id) SELECT case_id FROM status WHERE NOT erased;
INSERT INTO notices (case_id, sequence, office, way, template, outcome, reason, at)
SELECT timeline.case_id, sequence, office, said ->> 'way', said ->> 'template',
       CASE WHEN type LIKE 'qyzmet.notify.notice-sent.%' THEN 'sent' ELSE 'failed' END,
       said ->> 'reason', coalesce(said ->> 'sent_at', said ->> 'failed_at')::timestamptz
FROM timeline JOIN status ON status.case_id = timeline.case_id
WHERE type LIKE 'qyzmet.notify.notice-sent.%' OR type LIKE 'qyzmet.notify.notice-failed.%';
