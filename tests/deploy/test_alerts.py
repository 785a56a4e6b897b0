"""The alerts: valid, each fires for its reason alone, and each says in the manual what to do."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.deploy.rules import ALERTS, ROOT, find_promtool, list_rules

HISTOGRAM = {"0.5": "0+0x200", "2.5": "0+60x200", "+Inf": "0+60x200"}


def build_histogram(name: str, job: str) -> dict[str, str]:
    """Series of a histogram all of whose values are between 0.5 and 2.5 seconds."""
    return {
        f'{name}_bucket{{job="optigate-{job}",le="{bound}"}}': values
        for bound, values in HISTOGRAM.items()
    }


# For each alert: series by which it fires within three hours, a value a minute.
FIRING: dict[str, dict[str, str]] = {
    "OptigateDown": {'up{job="optigate-orders"}': "0x200"},
    "OptigateNotReady": {'optigate_ready{job="optigate-orders"}': "0x200"},
    "OptigateErrors": {
        'optigate_http_requests_total{job="optigate-gateway",status="200"}': "0+95x200",
        'optigate_http_requests_total{job="optigate-gateway",status="503"}': "0+5x200",
    },
    "OptigateServiceErrors": {
        'optigate_rpc_calls_total{job="optigate-orders",code="OK"}': "0+95x200",
        'optigate_rpc_calls_total{job="optigate-orders",code="INTERNAL"}': "0+5x200",
    },
    "OptigateSlow": build_histogram("optigate_http_request_seconds", "gateway"),
    "OptigateServiceSlow": build_histogram("optigate_rpc_seconds", "orders"),
    "OptigateCallsRefused": {
        'optigate_gateway_calls_refused_total{job="optigate-gateway",service="orders"}': "0+1x200"
    },
    "OptigateCircuitOpen": {
        'optigate_gateway_addresses{job="optigate-gateway",service="orders",state="hung"}': "1x200"
    },
    "OptigateAddressFails": {
        'optigate_gateway_addresses{job="optigate-gateway",service="a",state="failing"}': "1x200"
    },
    "OptigateEventsLate": {
        'optigate_events_oldest_seconds{job="optigate-orders",owners="healthy"}': "0+60x200"
    },
    "OptigateEndpointFails": {
        'optigate_events_oldest_seconds{job="optigate-orders",owners="failing"}': "21000+60x200"
    },
    "OptigateWorkLate": {
        'optigate_work_oldest_seconds{job="optigate-orders",queue="messages"}': "0+60x200"
    },
    "OptigateEventsGivenUp": {
        'optigate_event_deliveries_total{job="optigate-orders",outcome="dead"}': "0+1x200"
    },
    "OptigateDiskFull": {'optigate_disk_free_bytes{job="optigate-orders"}': "5e8x200"},
    "OptigateStoreCrowded": {
        'optigate_store_connections{job="optigate-orders",state="used"}': "16x200",
        'optigate_store_connections{job="optigate-orders",state="max"}': "16x200",
    },
    "OptigateWritesWait": build_histogram("optigate_store_write_wait_seconds", "orders"),
    "OptigateLogLost": {'optigate_log_lines_lost_total{job="optigate-orders"}': "0+1x200"},
    "OptigateAuditLost": {'optigate_audit_entries_dropped_total{job="optigate-orders"}': "0+1x200"},
    "OptigateCertificateExpires": {
        'optigate_certificate_expiry_timestamp_seconds{variable="GRPC_TLS_CERT"}': "86400x200"
    },
}
# Of a product that is well: no alert.
QUIET = {
    'up{job="optigate-orders"}': "1x200",
    'optigate_ready{job="optigate-orders"}': "1x200",
    'optigate_http_requests_total{job="optigate-gateway",status="200"}': "0+95x200",
    'optigate_http_requests_total{job="optigate-gateway",status="404"}': "0+95x200",
    'optigate_rpc_calls_total{job="optigate-orders",code="NOT_FOUND"}': "0+95x200",
    'optigate_http_request_seconds_bucket{job="optigate-gateway",le="0.5"}': "0+60x200",
    'optigate_http_request_seconds_bucket{job="optigate-gateway",le="+Inf"}': "0+60x200",
    'optigate_gateway_calls_refused_total{job="optigate-gateway",service="orders"}': "7x200",
    'optigate_gateway_addresses{job="optigate-gateway",service="orders",state="hung"}': "0x200",
    'optigate_events_oldest_seconds{job="optigate-orders",owners="healthy"}': "20x200",
    'optigate_events_oldest_seconds{job="optigate-orders",owners="failing"}': "7200x200",
    'optigate_work_oldest_seconds{job="optigate-orders",queue="messages"}': "600x200",
    'optigate_event_deliveries_total{job="optigate-orders",outcome="dead"}': "3x200",
    'optigate_disk_free_bytes{job="optigate-orders"}': "5e10x200",
    'optigate_store_connections{job="optigate-orders",state="used"}': "3x200",
    'optigate_store_connections{job="optigate-orders",state="max"}': "16x200",
    'optigate_log_lines_lost_total{job="optigate-orders"}': "0x200",
    'optigate_certificate_expiry_timestamp_seconds{variable="GRPC_TLS_CERT"}': "1e9x200",
}


def run_promtool(folder: Path, *words: str) -> str:
    """What promtool prints; it has to succeed."""
    done = subprocess.run(
        [find_promtool(), *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build_case(series: dict[str, str], firing: list[str]) -> dict[str, Any]:
    """A case of `promtool test rules`: what fires after three hours."""
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": text} for name, text in series.items()],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": "3h",
                "exp_samples": [
                    {"labels": f'{{alertname="{name}"}}', "value": 1} for name in firing
                ],
            }
        ],
    }


def test_the_files_are_valid() -> None:
    folder = ROOT / "deploy" / "prometheus"
    assert "rules found" in run_promtool(folder, "check", "rules", "alerts.yaml")
    assert "SUCCESS" in run_promtool(folder, "check", "config", "prometheus.yaml")


def test_the_file_for_kubernetes_is_valid_but_for_what_debian_leaves_out(tmp_path: Path) -> None:
    folder = ROOT / "deploy" / "prometheus"
    text = (folder / "kubernetes.yaml").read_text()
    (config,) = YAML(typ="safe").load(text)["scrape_configs"]
    assert config.pop("kubernetes_sd_configs") == [
        {"role": "pod", "namespaces": {"names": ["optigate"]}}
    ]
    with (tmp_path / "kubernetes.yaml").open("w") as file:
        YAML(typ="safe").dump({"scrape_configs": [config]}, file)
    assert "SUCCESS" in run_promtool(tmp_path, "check", "config", "kubernetes.yaml")
    (kept, named, *_) = config["relabel_configs"]
    assert kept["regex"] == "optigate;metrics"
    assert named["replacement"] == "optigate-$1"


def test_each_alert_fires_for_its_reason_alone(tmp_path: Path) -> None:
    assert FIRING.keys() == {rule["alert"] for rule in list_rules()}
    cases = [build_case(series, [name]) for name, series in FIRING.items()]
    tests = {
        "rule_files": [str(ROOT / "deploy/prometheus/alerts.yaml")],
        "evaluation_interval": "1m",
        "tests": [*cases, build_case(QUIET, [])],
    }
    with (tmp_path / "tests.yaml").open("w") as file:
        YAML(typ="safe").dump(tests, file)
    run_promtool(tmp_path, "test", "rules", "tests.yaml")


def test_each_alert_has_its_paragraph_in_the_manual() -> None:
    manual = (ROOT / "docs" / "operate.md").read_text()
    alerts = manual[manual.index("\n## Alerts\n") :].split("\n## ")[1]
    told = re.findall(r"^- \*\*(\w+)\*\*: .{60}", alerts, re.MULTILINE)
    assert told == [rule["alert"] for rule in list_rules()]


@pytest.mark.parametrize("name", [rule["alert"] for rule in list_rules()])
def test_each_alert_says_how_bad_it_is_and_what_it_is(name: str) -> None:
    (rule,) = (each for each in list_rules() if each["alert"] == name)
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"].endswith(".")
    assert len(ALERTS["groups"]) == 1
