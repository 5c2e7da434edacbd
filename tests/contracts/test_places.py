"""Where a case's facts lie in the log: where every Kafka client puts a record of that key."""

from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from shared.identifiers import DEPARTMENT, CaseId
from shared.messaging.topics import CASE_EVENTS, DEPARTMENT_EVENTS, partitions_of, place_of


@given(st.uuids())
def test_a_case_lies_where_the_hash_of_its_key_says(case_id: CaseId) -> None:
    partitions = list(partitions_of(CASE_EVENTS))
    expected = DefaultPartitioner()(str(case_id).encode(), partitions, partitions)
    assert place_of(case_id) == (CASE_EVENTS, expected)


def test_the_department_has_a_topic_of_its_own() -> None:
    assert place_of(DEPARTMENT) == (DEPARTMENT_EVENTS, 0)
