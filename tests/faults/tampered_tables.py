"""Ways to tamper with what is derived: casebook's tables, and the offsets of all schemas."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID, uuid4

from services.casebook.evidence import LogRecord
from services.casebook.reached import CASEBOOK
from shared.events.envelope import envelope_of
from shared.identifiers import DEPARTMENT, Source
from shared.messaging.topics import CASE_EVENTS
from tests.faults.tamperings import Scene, Statement, Tampering, at_table

_ROW: Final = "SELECT * FROM casebook.status WHERE case_id = '{}'"


def status_changed(scene: Scene) -> Tampering:
    case_id = _case(scene)
    column, expression = scene.rng.choice(
        [
            ("registration_number", "'HE-2026-0000-0000-0000'"),
            ("executor", "'mallory'"),
            ("outcome", "CASE outcome WHEN 'granted' THEN 'refused' ELSE 'granted' END"),
            ("applicant", "gen_random_uuid()"),
            ("lodged_at", "lodged_at + interval '1 day'"),
            ("due_at", "coalesce(due_at, now()) + interval '1 day'"),
            ("office", "'another'"),
            ("synthetic", "NOT synthetic"),
            ("overdue", "NOT overdue"),
            ("path", "path || 'intake'::text"),
            ("offset", '"offset" + 1'),
        ]
    )
    change = f'UPDATE casebook.status SET "{column}" = {expression} WHERE case_id = $1'
    named = at_table(f"casebook.status {case_id} {column}")
    return Tampering(f"status: {column} changed", named, [(change, (case_id,))])


def status_removed_or_added(scene: Scene) -> Tampering:
    case_id, other = _case(scene), uuid4()
    if scene.rng.random() < 0.5:
        remove = "DELETE FROM casebook.status WHERE case_id = $1"
        named = at_table(f"casebook.status {case_id}")
        return Tampering("status: a row removed", named, [(remove, (case_id,))])
    statements: list[Statement] = [
        (f"CREATE TEMP TABLE copied ON COMMIT DROP AS {_ROW.format(case_id)}", ()),
        (f"UPDATE copied SET case_id = '{other}'", ()),
        ("INSERT INTO casebook.status SELECT * FROM copied", ()),
    ]
    return Tampering("status: a row added", at_table(f"casebook.status {other}"), statements)


def timeline_changed(scene: Scene) -> Tampering:
    record, envelope, _ = scene.record()
    column, expression = scene.rng.choice(
        [
            ("actor", "'staff:mallory'"),
            ("said", "'{}'::json"),
            ("recorded_at", "recorded_at + interval '1 second'"),
            ("event_id", "gen_random_uuid()"),
            ("type", "type || 'x'"),
            ("clause", "'R9 9'"),
            ("turn", "turn + 1"),
            ("sealed", "coalesce(sealed, '') || 'A'"),
            ("offset", '"offset" + 1'),
            ("place", "place + 100"),
        ]
    )
    key = (envelope.case_id, envelope.source.value, envelope.sequence)
    change = (
        f'UPDATE casebook.timeline SET "{column}" = {expression}'
        " WHERE case_id = $1 AND source = $2 AND sequence = $3"
    )
    named = at_table(f"casebook.timeline {_words(key)} {column}")
    assert record.value
    return Tampering(f"timeline: {column} changed", named, [(change, key)])


def timeline_removed_swapped_or_added(scene: Scene) -> Tampering:
    _, envelope, _ = scene.record()
    key = (envelope.case_id, envelope.source.value, envelope.sequence)
    where = "case_id = $1 AND source = $2 AND sequence = $3"
    named = at_table(f"casebook.timeline {_words(key)}")
    match scene.rng.randrange(3):
        case 0:
            remove = f"DELETE FROM casebook.timeline WHERE {where}"
            return Tampering("timeline: a row removed", named, [(remove, key)])
        case 1:
            copy = (
                "INSERT INTO casebook.timeline SELECT (jsonb_populate_record(t,"
                " jsonb_build_object('sequence', 900 + sequence))).*"
                f" FROM casebook.timeline t WHERE {where}"
            )
            added = at_table(f"casebook.timeline {_words((*key[:2], 900 + key[2]))}")
            return Tampering("timeline: a row added", added, [(copy, key)])
        case _:
            _, other, _ = scene.record()
            while other.event_id == envelope.event_id:
                _, other, _ = scene.record()
            swap = (
                "UPDATE casebook.timeline t SET event_id = o.event_id, said = o.said"
                " FROM casebook.timeline o WHERE (t.event_id, o.event_id) IN"
                " (($1::uuid, $2::uuid), ($2, $1))"
            )
            ids = (envelope.event_id, other.event_id)
            return Tampering("timeline: two rows swapped", named, [(swap, ids)])


def cases_changed(scene: Scene) -> Tampering:
    case_id = _case(scene)
    column, expression = scene.rng.choice(
        [
            ("seen", 'replace(seen, \'"intake":"\', \'"intake":"0\')'),
            ("standing", "replace(standing, 'home-education', 'prosthetic-aid')"),
            ("parked", "'for no reason'"),
            ("waits", "waits + 1"),
        ]
    )
    change = f"UPDATE casebook.cases SET {column} = {expression} WHERE case_id = $1"
    named = at_table(f"casebook.cases {case_id} {column}")
    if scene.rng.random() < 0.2:
        change, named = (
            "DELETE FROM casebook.cases WHERE case_id = $1",
            at_table(f"casebook.cases {case_id}"),
        )
    return Tampering(f"cases: {column} changed, or all", named, [(change, (case_id,))])


def aside_added(scene: Scene) -> Tampering:
    case_id = _case(scene)
    if scene.rng.random() < 0.5:
        add = (
            'INSERT INTO casebook.parked (topic, partition, "offset", case_id, logged_at, headers)'
            " VALUES ('case-events', 3, 9000, $1, now(), '[]')"
        )
        named = at_table("casebook.parked case-events 3 9000")
        return Tampering("parked: a row added", named, [(add, (case_id,))])
    add = (
        "INSERT INTO casebook.waiting (case_id, source, sequence, event_id, topic, partition,"
        ' "offset", logged_at, headers)'
        " VALUES ($1, 'notify', 70, gen_random_uuid(), 'case-events', 3, 9000, now(), '[]')"
    )
    named = at_table(f"casebook.waiting {case_id} notify 70")
    return Tampering("waiting: a row added", named, [(add, (case_id,))])


def directory_changed(scene: Scene) -> Tampering:
    what, statement, named = scene.rng.choice(
        [
            ("roles", "UPDATE casebook.members SET roles = '{head}' WHERE staff = 'bolat'",
             "casebook.members bolat roles"),
            ("office", "UPDATE casebook.members SET office = 'medeu' WHERE staff = 'aigul'",
             "casebook.members aigul office"),
            ("active", "UPDATE casebook.members SET active = false WHERE staff = 'head'",
             "casebook.members head active"),
            ("removed", "DELETE FROM casebook.members WHERE staff = 'head'",
             "casebook.members head"),
            ("absence", "UPDATE casebook.absences SET last_day = last_day + 1",
             "casebook.absences 4 last_day"),
            ("acting", ("INSERT INTO casebook.acting VALUES"
             " (9, 'head', 'almaly', 'bolat', '2026-01-01', '2026-12-31')"), "casebook.acting 9"),
        ]
    )  # fmt: skip
    return Tampering(f"directory: {what}", at_table(named), [(statement, ())])


def offset_changed(scene: Scene) -> Tampering:
    record: LogRecord
    record, _, _ = scene.record(CASE_EVENTS)
    schema = scene.rng.choice([*(source.value for source in Source), CASEBOOK])
    what, change = scene.rng.choice(
        [
            ("back", "UPDATE {0}.offsets SET next = next - 1 WHERE topic = $1 AND partition = $2"),
            ("on", "UPDATE {0}.offsets SET next = next + 1 WHERE topic = $1 AND partition = $2"),
            ("another event", ("UPDATE {0}.offsets SET last_event_id = gen_random_uuid()"
             " WHERE topic = $1 AND partition = $2")),
            ("no event", ("UPDATE {0}.offsets SET last_event_id = NULL"
             " WHERE topic = $1 AND partition = $2")),
            ("removed", "DELETE FROM {0}.offsets WHERE topic = $1 AND partition = $2"),
            ("added", ("INSERT INTO {0}.offsets (topic, partition, next)"
             " VALUES ($1, $2 + 50, 5)")),
        ]
    )  # fmt: skip
    partition = record.partition + 50 if what == "added" else record.partition
    named = at_table(f"{schema}.offsets {record.topic} {partition}")
    arguments = (record.topic, record.partition)
    return Tampering(f"offsets of {schema}: {what}", named, [(change.format(schema), arguments)])


def _case(scene: Scene) -> UUID:
    """A case that has a row of status."""
    cases = {envelope_of(record.headers).case_id for record in scene.office.records}
    return scene.rng.choice(sorted(cases - {DEPARTMENT}))


def _words(key: Sequence[object]) -> str:
    return " ".join(str(part) for part in key)


DERIVED = (
    status_changed, status_removed_or_added, timeline_changed, timeline_removed_swapped_or_added,
    cases_changed, aside_added, directory_changed, offset_changed,
)  # fmt: skip
