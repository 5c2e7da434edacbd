"""Prometheus and the collector beside the system: every panel has data, a trace is whole."""

import json
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from deploy.images.__main__ import build, can_compile
from deploy.local.environment import STAGES
from deploy.observability.__main__ import answers
from deploy.observability.panels import queries
from tests.compose.composed import Composed
from tests.compose.conftest import only_in_full
from tests.compose.load import lodging
from tests.compose.watch import firing

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1200), only_in_full]
WITHIN_S = 240.0


def test_every_panel_has_data_while_cases_run(opened: Composed, server: str) -> None:
    opened.run("demo")
    empty = dict(queries())
    deadline = time.monotonic() + WITHIN_S
    with lodging(opened, per_s=4.0):
        while empty and time.monotonic() < deadline:
            time.sleep(3.0)
            empty = {title: query for title, query in empty.items() if not answers(server, query)}
    assert empty == {}
    assert not {name for name, _ in firing(server)} & {"ServiceDown", "ServiceMissing"}


@pytest.mark.skipif(not can_compile(), reason="no Go here that can compile the collector")
def test_the_collector_keeps_the_trace_of_a_case_through_all_stages(opened: Composed) -> None:
    build(only=["collector"])
    opened.choose("QYZMET_TRACES", "otlp:http://collector:4318/v1/traces")
    opened.up("collector", *STAGES)
    case = opened.lodge().json()["case_id"]
    opened.until_issued([case])
    kept = opened.folder / "traces" / "traces.jsonl"
    deadline = time.monotonic() + WITHIN_S
    while set(STAGES) not in services_of_traces(kept):
        assert time.monotonic() < deadline, services_of_traces(kept)
        time.sleep(1.0)


def services_of_traces(file: Path) -> list[set[str]]:
    """Who has a span in each trace of the collector's file."""
    found: dict[str, set[str]] = defaultdict(set)
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    for line in lines:
        for resource in json.loads(line)["resourceSpans"]:
            service = _name(resource["resource"]["attributes"])
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    found[span["traceId"]].add(service)
    return list(found.values())


def _name(attributes: list[dict[str, Any]]) -> str:
    named = {each["key"]: each["value"] for each in attributes}
    return str(named["service.name"]["stringValue"])
