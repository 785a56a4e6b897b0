"""What the resources for Kubernetes name is there: commands, variables, ports, secrets, labels."""

import re
import runpy
from collections.abc import Iterator
from typing import Any

import click
import pytest
from prometheus_client import CollectorRegistry

from chassis.cli.processes.start import read_settings
from chassis.metrics.readings import build_pages
from chassis.settings.version import find_version
from gateway import read_environment
from gateway.server.limits import from_environment
from gateway.server.start import find_problems
from openapi.configuration.variables import find_variables
from optigate.command import cli
from tests.certificates import Files
from tests.deploy.kustomize import (
    ROOT,
    Resource,
    is_selected,
    list_containers,
    list_pods,
    render,
)
from tests.serving import SERVICES

RENDERED = {overlay: render(overlay) for overlay in ("single", "ha")}
ALL = [resource for resources in RENDERED.values() for resource in resources]
PODS = [pod for resource in ALL for pod in list_pods(resource)]
# Of the script of a backup, and of what it runs.
OF_BACKUPS = {"STORE", "KEEP_DAYS", "HOME"}
# Keys of Secrets that the operator creates: docs/kubernetes.md lists the same.
SECRETS = {
    **{name: {"database-url", "encryption-keys"} for name in SERVICES},
    **{f"{name}-tls": {"ca.crt", "tls.crt", "tls.key"} for name in (*SERVICES, "gateway")},
    "gateway": {"limit-store"},
    "postgres-ca": {"ca.crt"},
}
OPTIONAL = {"messages"}  # a ConfigMap of the operator


def find(kind: str, overlay: str = "ha") -> dict[str, Resource]:
    """The resources of a kind, by name."""
    found = (each for each in RENDERED[overlay] if each["kind"] == kind)
    return {each["metadata"]["name"]: each for each in found}


def get_pod(resource: Resource) -> Resource:
    """The template of a resource's pods."""
    (pod,) = list_pods(resource)
    return pod


def get_main(resource: Resource) -> Resource:
    """The container of a pod that is not there to prepare another."""
    (main,) = get_pod(resource)["spec"]["containers"]
    return main  # type: ignore[no-any-return]


def read_variables(container: Resource, overlay: str = "ha") -> dict[str, str]:
    """What a container has in its environment; "" for what is in a Secret."""
    settings = find("ConfigMap", overlay)
    found: dict[str, str] = {}
    for each in container.get("envFrom", ()):
        name = each["configMapRef"]["name"]
        if name in OPTIONAL and each["configMapRef"]["optional"]:
            continue
        found |= settings[name]["data"]
    return found | {each["name"]: each.get("value", "") for each in container.get("env", ())}


def list_commands() -> Iterator[str]:
    """Yield every line of `optigate`, those in scripts included."""
    for pod in PODS:
        for container in list_containers(pod):
            words = container["command"]
            if words[0] == "optigate":
                yield " ".join(words)
            for script in (word for word in words if "\n" in word or "; " in word):
                yield from re.findall(r"optigate [\w ]+\w", script)


@pytest.mark.parametrize("line", sorted(set(list_commands())))
def test_every_command_is_one(line: str) -> None:
    command: click.Command = cli
    words = line.split()[1:]
    parent = click.Context(cli)
    while isinstance(command, click.Group) and words:
        found = command.get_command(parent, words.pop(0))
        assert found, line
        command = found
    assert not isinstance(command, click.Group), line
    command.make_context(line, words, parent=parent)


def test_other_programs_are_those_of_the_images() -> None:
    programs = {each["command"][0] for pod in PODS for each in list_containers(pod)}
    assert programs == {"optigate", "install", "timeout", "bash"}
    for pod in PODS:
        for container in list_containers(pod):
            ours = container["image"].startswith("registry.example/optigate:")
            assert ours is (container["command"][0] != "bash")
    assert {each["image"] for pod in PODS for each in list_containers(pod)} == {
        f"registry.example/optigate:{find_version()}",
        "postgres:18",
    }


@pytest.mark.parametrize("overlay", RENDERED)
def test_every_variable_is_read_by_the_code(overlay: str) -> None:
    known = find_variables().keys()
    for resource in RENDERED[overlay]:
        for pod in list_pods(resource):
            for container in list_containers(pod):
                own = OF_BACKUPS if container["command"][0] == "bash" else set()
                assert read_variables(container, overlay).keys() - known - own == set()


def test_every_file_of_a_variable_is_mounted_from_a_secret_that_has_it() -> None:
    used: set[tuple[str, str]] = set()
    for resource in RENDERED["ha"]:
        for pod in list_pods(resource):
            volumes = {each["name"]: each for each in pod["spec"]["volumes"]}
            for container in list_containers(pod):
                used |= set(list_secrets(container, volumes))
    assert used == {(name, key) for name, keys in SECRETS.items() for key in keys}
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    rows = re.findall(r"^\| (`.*?) \| (`.*?) \|", page, re.MULTILINE)
    listed = {
        (name, key)
        for names, keys in rows
        for name in re.findall(r"`([\w-]+)`", names)
        for key in re.findall(r"`([\w.-]+)`", keys)
    }
    assert listed >= used


def list_secrets(container: Resource, volumes: dict[str, Resource]) -> Iterator[tuple[str, str]]:
    """Yield the Secrets of a container's environment and files, and their keys."""
    for each in container.get("env", ()):
        if "valueFrom" in each:
            reference = each["valueFrom"]["secretKeyRef"]
            yield reference["name"], reference["key"]
    mounts = {each["mountPath"]: volumes[each["name"]] for each in container["volumeMounts"]}
    words = " ".join(container["command"])
    paths = {*read_variables(container).values(), *re.findall(r"/run/[\w/.-]+", words)}
    for path in sorted(each for each in paths if each.startswith("/run/")):
        folder, _, name = path.rpartition("/")
        if "secret" in mounts[folder]:
            yield mounts[folder]["secret"]["secretName"], name
        else:
            assert mounts[folder]["emptyDir"]["medium"] == "Memory"
    for volume in mounts.values():
        for item in volume.get("secret", {}).get("items", ()):
            yield volume["secret"]["secretName"], item["key"]


def test_ports_are_where_the_processes_listen() -> None:
    pages = build_pages(CollectorRegistry(), str).keys()
    services = find("Service")
    assert services.keys() == {"gateway", *SERVICES}
    for name, deployment in find("Deployment").items():
        main, variables = get_main(deployment), read_variables(get_main(deployment))
        ports = {each["name"]: each["containerPort"] for each in main["ports"]}
        assert variables["METRICS_LISTEN"] == f"0.0.0.0:{ports['metrics']}"
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert main[probe]["httpGet"]["path"] in pages
            assert main[probe]["httpGet"]["port"] == "metrics"
        if name in SERVICES:
            (port,) = services[name]["spec"]["ports"]
            assert services[name]["spec"]["clusterIP"] == "None"
            assert port == {"name": "grpc", "port": ports["grpc"], "targetPort": "grpc"}
            assert variables["LISTEN"] == f"0.0.0.0:{ports['grpc']}"
            assert variables["DISPATCHER"] == "off"
            gateway = read_variables(get_main(find("Deployment")["gateway"]))
            assert gateway[f"GATEWAY_{name.upper()}_ADDR"] == f"{name}:{ports['grpc']}"
        if name == "gateway":
            assert variables["GATEWAY_BIND"] == f"0.0.0.0:{ports['http']}"
            assert services[name]["spec"]["ports"][0]["targetPort"] == "http"
    named = {p["name"] for d in find("Deployment").values() for p in get_main(d)["ports"]}
    for policy in find("NetworkPolicy").values():
        rules = policy["spec"].get("ingress", []) + policy["spec"].get("egress", [])
        ports_ = {port["port"] for rule in rules for port in rule["ports"]}
        assert {each for each in ports_ if isinstance(each, str)} <= named


def test_every_selector_selects() -> None:
    labels = [pod["metadata"]["labels"] for pod in PODS]
    for resource in ALL:
        for selector in list_selectors(resource.get("spec", {})):
            assert any(is_selected(each, selector) for each in labels), selector
    for name, deployment in find("Deployment").items():
        chosen = [
            other
            for other, each in find("Deployment").items()
            if is_selected(get_pod(each)["metadata"]["labels"], deployment["spec"]["selector"])
        ]
        assert chosen == [name]
    for name, service in find("Service").items():
        selector = {"matchLabels": service["spec"]["selector"]}
        assert is_selected(get_pod(find("Deployment")[name])["metadata"]["labels"], selector)


def list_selectors(value: Any) -> Iterator[Resource]:
    """Yield the selectors of pods, but those for callers that the operator labels."""
    if isinstance(value, list):
        for each in value:
            yield from list_selectors(each)
    elif isinstance(value, dict):
        for name, each in value.items():
            if name in ("selector", "labelSelector", "podSelector") and "matchLabels" in each:
                if not any(key.startswith("optigate-access-") for key in each["matchLabels"]):
                    yield each
            else:
                yield from list_selectors(each)


@pytest.mark.parametrize("pod", PODS)
def test_every_pod_is_restricted(pod: Resource) -> None:
    spec = pod["spec"]
    assert spec["automountServiceAccountToken"] is spec["enableServiceLinks"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == spec["securityContext"]["fsGroup"] == 10001
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
    for container in list_containers(pod):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["requests"]["cpu"]
        assert container["resources"]["limits"]["memory"]
        assert "/tmp" in {each["mountPath"] for each in container["volumeMounts"]}
    allowed = ({"secret"}, {"emptyDir"}, {"persistentVolumeClaim"})
    assert all(each.keys() - {"name"} in allowed for each in spec["volumes"])
    labels = pod["metadata"]["labels"]
    assert labels["app.kubernetes.io/part-of"] == "optigate"


def test_every_service_has_its_jobs_and_a_dispatcher() -> None:
    kinds = {"Deployment": "-dispatcher", "Job": "-migrate", "CronJob": "-retain"}
    for overlay in RENDERED:
        for kind, suffix in kinds.items():
            assert {f"{name}{suffix}" for name in SERVICES} <= find(kind, overlay).keys()
        assert {f"{name}-backup" for name in SERVICES} <= find("CronJob", overlay).keys()
    for name in SERVICES:
        assert get_main(find("Deployment")[f"{name}-dispatcher"])["command"][-1] == "dispatch"
        for owner in (name, f"{name}-dispatcher"):
            prepared = get_pod(find("Deployment")[owner])["spec"]["initContainers"]
            assert [each["name"] for each in prepared] == ["keys", "schema"]


def test_ha_has_two_of_each_and_single_has_one() -> None:
    scalers, budgets = find("HorizontalPodAutoscaler"), find("PodDisruptionBudget")
    for name, deployment in find("Deployment").items():
        if name in scalers:
            scaler = scalers[name]["spec"]
            assert scaler["scaleTargetRef"]["name"] == name
            assert 2 <= scaler["minReplicas"] < scaler["maxReplicas"]
            assert "replicas" not in deployment["spec"]
        else:
            assert deployment["spec"]["replicas"] >= 2
        assert budgets[name]["spec"]["selector"] == deployment["spec"]["selector"]
        spread = get_pod(deployment)["spec"]["topologySpreadConstraints"]
        assert len(spread) == 2
        labels = get_pod(deployment)["metadata"]["labels"].keys()
        assert all(set(each["matchLabelKeys"]) - labels == {"pod-template-hash"} for each in spread)
    assert len(find("Deployment", "single")) == 7
    assert not any("replicas" in each["spec"] for each in find("Deployment", "single").values())
    assert not find("PodDisruptionBudget", "single")


def test_a_pod_has_the_time_to_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    gunicorn = runpy.run_path(str(ROOT / "gateway" / "gunicorn_conf.py"))
    gateway = find("Deployment")["gateway"]
    grace = get_pod(gateway)["spec"]["terminationGracePeriodSeconds"]
    assert grace > gunicorn["graceful_timeout"] + 10
    monkeypatch.setenv("GATEWAY_DRAIN", read_variables(get_main(gateway))["GATEWAY_DRAIN"])
    assert from_environment().drain_seconds == 5


@pytest.mark.parametrize("name", [*SERVICES, "gateway"])
def test_the_settings_are_those_of_production(
    name: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = Files(tmp_path / "tls")
    files.issue("own", "optigate.example")
    paths = {"tls.crt": "own-cert.pem", "tls.key": "own-key.pem", "ca.crt": "ca.pem"}
    variables = read_variables(get_main(find("Deployment")[name]))
    for variable, value in variables.items():
        if value:
            folder, _, file = value.rpartition("/")
            is_tls = folder == "/run/secrets/tls"
            monkeypatch.setenv(variable, str(tmp_path / "tls" / paths[file]) if is_tls else value)
    assert variables["ENVIRONMENT"] == "production"
    if name == "gateway":
        exposed = [variables["GATEWAY_BIND"]]
        assert list(find_problems(read_environment(), exposed, is_https=False)) == []
    else:
        settings = read_settings([variables["LISTEN"]], variables["GATEWAY_PUBLIC_URL"], False)
        assert settings.files is not None
        assert settings.files.client_ca is not None
        assert settings.load_certificates()


def test_resources_of_operators_name_what_the_pods_use() -> None:
    certificates = {
        each["spec"]["secretName"]: each["spec"]
        for each in render("cert-manager")
        if each["kind"] == "Certificate" and not each["spec"].get("isCA")
    }
    for name in (*SERVICES, "gateway"):
        assert certificates[f"{name}-tls"]["dnsNames"] == [name, f"{name}.optigate.svc"]
    cluster, *databases = render("cloudnative-pg")
    assert {each["spec"]["name"] for each in databases} == set(SERVICES)
    assert {each["spec"]["owner"] for each in databases} == {
        each["name"] for each in cluster["spec"]["managed"]["roles"]
    }
    assert all(each["spec"]["cluster"] == {"name": "postgres"} for each in databases)
