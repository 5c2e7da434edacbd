-- migrate:up

-- Who opened what is sealed: which person, as what, what for, when. Written in the transaction
-- that reads the keys, so nothing is opened that does not stand here. It holds no personal data
-- of applicants and is kept when a person's keys are destroyed.
CREATE TABLE openings (
    position  bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id   uuid        NOT NULL,
    events    uuid[]      NOT NULL CHECK (cardinality(events) > 0),  -- whose blocks were opened
    staff     text        NOT NULL,
    roles     text[]      NOT NULL CHECK (cardinality(roles) > 0),   -- that allowed it that day
    office    text        NOT NULL,
    purpose   text        NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX openings_of_case ON openings (case_id, position);

CREATE FUNCTION openings_are_for_ever() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the list of openings is append-only: % refused', TG_OP;
END $$;
CREATE TRIGGER openings_rows_stay BEFORE UPDATE OR DELETE ON openings
    FOR EACH ROW EXECUTE FUNCTION openings_are_for_ever();
CREATE TRIGGER openings_stay BEFORE TRUNCATE ON openings
    FOR EACH STATEMENT EXECUTE FUNCTION openings_are_for_ever();
