-- migrate:up

-- Who an applicant reference in the log stands for. The IIN itself is nowhere: only its HMAC,
-- under a key that is not in any database.
CREATE TABLE applicants (
    lookup    bytea PRIMARY KEY CHECK (octet_length(lookup) = 32),
    applicant uuid  NOT NULL UNIQUE
);

-- One key for each case, wrapped by a master key that is not in any database. To delete the row
-- is to erase what the case's events sealed: so nothing here is ever marked, only deleted.
CREATE TABLE case_keys (
    case_id   uuid  PRIMARY KEY,
    applicant uuid  NOT NULL,
    wrapped   bytea NOT NULL
);
CREATE INDEX case_keys_of_applicant ON case_keys (applicant);

-- A deleted key must not linger in a dead row until thousands of others have died.
ALTER TABLE case_keys  SET (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0);
ALTER TABLE applicants SET (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0);
