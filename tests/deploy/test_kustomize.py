"""The resources for Kubernetes: rendered as kubectl does, and valid for a pinned version."""

import json
import shutil
import subprocess
from functools import partial
from typing import Any

import kubernetes_validate
import pytest
from ruamel.yaml import YAML

from tests.deploy.kustomize import KUBERNETES, Resource, render

VERSIONS = ("1.33", "1.37")  # the oldest and the newest that are meant
OVERLAYS = ("single", "ha")
# Operators' own resources, whose schemas kubernetes-validate has not.
OPERATORS = {"cloudnative-pg": "postgresql.cnpg.io/v1", "cert-manager": "cert-manager.io/v1"}


def sort_resources(resources: list[Resource]) -> list[Any]:
    """Resources in one order, as are all lists whose order means nothing."""
    named = sorted(resources, key=lambda each: (each["kind"], each["metadata"]["name"]))
    return [_sort(each, "") for each in named]


def _sort(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: _sort(each, key) for key, each in value.items()}
    if not isinstance(value, list):
        return value
    listed = [_sort(each, "") for each in value]
    is_ordered = name in ("command", "envFrom", "initContainers")
    return listed if is_ordered else sorted(listed, key=partial(json.dumps, sort_keys=True))


@pytest.mark.skipif(
    not shutil.which("kubectl"), reason="it compares with kubectl, where there is one"
)
@pytest.mark.parametrize("overlay", [*OVERLAYS, *OPERATORS])
def test_kubectl_renders_the_same(overlay: str) -> None:
    done = subprocess.run(
        ["kubectl", "kustomize", str(KUBERNETES / overlay)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    theirs = list(YAML(typ="safe", pure=True).load_all(done.stdout))
    assert sort_resources(render(overlay)) == sort_resources(theirs)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_resource_is_valid(overlay: str, version: str) -> None:
    resources = render(overlay)
    assert len(resources) > 30
    for resource in resources:
        kubernetes_validate.validate(resource, version, strict=True)
    names = [(each["kind"], each["metadata"]["name"]) for each in resources]
    assert len(set(names)) == len(names)


def test_a_mistyped_field_is_found() -> None:
    resource = next(each for each in render("single") if each["kind"] == "Deployment")
    resource["spec"]["template"]["spec"]["containers"][0]["startUpProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(resource, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("folder", OPERATORS)
def test_resources_of_operators_are_of_one_version(folder: str) -> None:
    assert {each["apiVersion"] for each in render(folder)} == {OPERATORS[folder]}
