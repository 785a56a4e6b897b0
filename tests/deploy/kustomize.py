"""Renders deploy/kubernetes where no kubectl is: the few features of kustomize that are used there.

Those are resources, namespace, labels of pod templates, images, and strategic merge patches with a
target; anything else is refused.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
Resource = dict[str, Any]
FEATURES = {"apiVersion", "kind", "resources", "namespace", "labels", "images", "patches"}
# The lists that are merged by an element's key; others are replaced.
MERGE_KEYS = {
    "containers": "name",
    "env": "name",
    "initContainers": "name",
    "ports": "containerPort",
    "topologySpreadConstraints": "topologyKey",
    "volumeMounts": "mountPath",
    "volumes": "name",
}


def read_documents(path: Path) -> list[Resource]:
    """The documents of a YAML file, without anchors."""
    text = path.read_text()
    return [_copy(each) for each in YAML(typ="safe", pure=True).load_all(text)]


def render(overlay: str) -> list[Resource]:
    """What `kubectl kustomize deploy/kubernetes/OVERLAY` writes, in another order."""
    return _render(KUBERNETES / overlay)


def _render(folder: Path) -> list[Resource]:
    ((wanted),) = read_documents(folder / "kustomization.yaml")
    assert wanted.keys() <= FEATURES, wanted.keys() - FEATURES
    found: list[Resource] = []
    for name in wanted["resources"]:
        path = folder / name
        found += _render(path) if path.is_dir() else read_documents(path)
    for patch in wanted.get("patches", ()):
        _patch(found, folder, patch)
    for resource in found:
        if (namespace := wanted.get("namespace")) and resource["kind"] != "Namespace":
            resource["metadata"]["namespace"] = namespace
        for label in wanted.get("labels", ()):
            _label(resource, **label)
        for pod in list_pods(resource):
            _choose_images(pod["spec"], wanted.get("images", ()))
    return found


def list_pods(resource: Resource) -> Iterator[Resource]:
    """Yield the template of a resource's pods, if it has any."""
    spec = resource.get("spec", {})
    spec = spec.get("jobTemplate", {}).get("spec", spec)
    if "template" in spec:
        yield spec["template"]


def list_containers(pod: Resource) -> list[Resource]:
    """The containers of a pod, those first that run first."""
    return [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]


def is_selected(labels: dict[str, str], selector: Resource) -> bool:
    """Whether a selector of Kubernetes selects what has these labels."""
    wanted = selector.get("matchLabels", {})
    listed = selector.get("matchExpressions", [])
    assert all(each["operator"] == "In" for each in listed)
    return wanted.items() <= labels.items() and all(
        labels.get(each["key"]) in each["values"] for each in listed
    )


def _label(resource: Resource, pairs: dict[str, str], includeTemplates: bool) -> None:
    assert includeTemplates
    jobs = [resource["spec"]["jobTemplate"]] if resource["kind"] == "CronJob" else []
    for each in (resource, *jobs, *list_pods(resource)):
        each.setdefault("metadata", {}).setdefault("labels", {}).update(pairs)


def _choose_images(spec: Resource, images: list[Resource]) -> None:
    for container in spec.get("initContainers", []) + spec["containers"]:
        for image in images:
            if container["image"] == image["name"]:
                container["image"] = f"{image['newName']}:{image['newTag']}"


def _patch(resources: list[Resource], folder: Path, patch: Resource) -> None:
    (changes,) = read_documents(folder / patch["path"])
    metadata = changes.pop("metadata")
    target = patch.get("target", {"kind": changes["kind"], "name": metadata["name"]})
    chosen = [each for each in resources if _is_target(each, **target)]
    assert chosen, patch
    for resource in chosen:
        _merge(resource, _copy(changes))


def _is_target(resource: Resource, kind: str, name: str = "", labelSelector: str = "") -> bool:
    labels = resource["metadata"].get("labels", {})
    fits = True
    if found := re.fullmatch(r"(\S+) in \((.+)\)", labelSelector):
        fits = labels.get(found[1]) in found[2].split(", ")
    elif labelSelector:
        key, _, value = labelSelector.partition("=")
        fits = labels.get(key) == value
    return fits and resource["kind"] == kind and name in ("", resource["metadata"]["name"])


def _merge(into: Resource, changes: Resource) -> None:
    for name, value in changes.items():
        present = into.get(name)
        if isinstance(present, dict) and isinstance(value, dict):
            _merge(present, value)
        elif isinstance(present, list) and name in MERGE_KEYS:
            key = MERGE_KEYS[name]
            for element in value:
                (same,) = [each for each in present if each[key] == element[key]] or [None]
                if same is None:
                    present.append(element)
                else:
                    _merge(same, element)
        else:
            into[name] = value


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copy(each) for name, each in value.items()}
    return [_copy(each) for each in value] if isinstance(value, list) else value
