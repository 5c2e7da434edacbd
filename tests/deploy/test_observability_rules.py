"""Rules and dashboard: each alert is tried by Prometheus's own tool, each metric is one of ours."""

import json
import re
import shutil
import subprocess

import pytest
import yaml
from prometheus_client import REGISTRY

from deploy.local.environment import SERVICES
from deploy.observability.__main__ import DASHBOARD, HERE, as_text
from deploy.observability.panels import queries
from shared.observability import metrics

RULES = yaml.safe_load((HERE / "rules.yaml").read_text(encoding="utf-8"))
TESTS = yaml.safe_load((HERE / "rules.test.yaml").read_text(encoding="utf-8"))
EVERY = [rule for group in RULES["groups"] for rule in group["rules"]]
ALERTS = {rule["alert"] for rule in EVERY if "alert" in rule}


def test_the_dashboard_that_is_written_is_the_one_in_code() -> None:
    assert DASHBOARD.read_text(encoding="utf-8") == as_text(), "deploy.observability write"
    ids = [panel["id"] for panel in json.loads(as_text())["panels"]]
    assert len(set(ids)) == len(ids) > len(queries())


def test_every_metric_in_a_query_is_measured() -> None:
    assert metrics.OUTBOX_AGE is not None  # imported: so all of them are registered
    samples = {sample for metric in REGISTRY.collect() for sample in _names(metric)}
    recorded = {rule["record"] for rule in EVERY if "record" in rule}
    asked = [query for _, query in queries()] + [str(rule["expr"]) for rule in EVERY]
    named = {name for query in asked for name in re.findall(r"\bqyzmet[a-z0-9_:]+", query)}
    assert len(named) > 10
    assert named - samples - recorded == set()


def _names(metric: object) -> set[str]:
    name, kind = metric.name, metric.type  # type: ignore[attr-defined]
    ends = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(kind, ("",))
    return {name + end for end in ends}


def test_every_alert_says_what_to_do_and_is_tried_both_ways() -> None:
    for rule in EVERY:
        if "alert" in rule:
            assert rule["labels"].keys() == {"severity"}
            assert rule["annotations"].keys() == {"summary", "action"}
    fired = {
        each["alertname"]
        for test in TESTS["tests"]
        for each in test.get("alert_rule_test", ())
        if each.get("exp_alerts")
    }
    assert fired == ALERTS


def test_every_service_is_watched() -> None:
    given = yaml.safe_load((HERE / "prometheus.yaml").read_text(encoding="utf-8"))
    assert [job["job_name"] for job in given["scrape_configs"]] == list(SERVICES)


@pytest.mark.parametrize(
    "told", [("check", "rules", "rules.yaml"), ("test", "rules", "rules.test.yaml")]
)
def test_promtool_agrees(told: tuple[str, str, str]) -> None:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    done = subprocess.run([program, *told], cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout
