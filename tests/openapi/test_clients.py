"""Clients that generators make from the documents: they compile, import and call."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.examples.node import install, run_node
from tests.serving import SERVICES, build_basic

ROOT = Path(__file__).parent.parent.parent
DOCUMENTS = ROOT / "gateway" / "openapi"
PACKAGES = ("openapi-typescript@7.13.0", "openapi-fetch@0.17.0", "typescript@5.9.3")
pytestmark = [
    pytest.mark.parametrize("engine", ["sqlite"], indirect=True),
    pytest.mark.timeout(300),
]
PROGRAM = """
import createClient from "openapi-fetch";
import type { paths as Sessions } from "./sessions.js";
import type { components, paths as Orders } from "./orders.js";
import type { paths as Subscriptions } from "./subscriptions.js";

const baseUrl = process.argv[2];
const sessions = createClient<Sessions>({ baseUrl });
const orders = createClient<Orders>({ baseUrl });
const subscriptions = createClient<Subscriptions>({
  baseUrl,
  querySerializer: { array: { style: "form", explode: false } },
});

function basic(name: string): { Authorization: string } {
  return { Authorization: "Basic " + btoa(`${name}:${name}-secret`) };
}

const qualified = await sessions.POST("/api/v2/partners/qualifications", {
  headers: basic("demo-partner"),
  body: { user: { birthdate: "1988-01-01", region: "US-IL" } },
});
const refused = await sessions.GET("/api/v2/partners/sessions", {
  headers: basic("demo-partner"),
  params: { query: { user_key: "user1", session_key: "unknown" } },
});
const token = await orders.POST("/v1/oauth/token", {
  body: { client_id: "demo-client", client_secret: "demo-client-secret" },
});
const eye: components["schemas"]["RxEye"] = { sphere: -2, pd: 31 };
const order = await orders.POST("/v1/orders", {
  headers: { Authorization: `Bearer ${token.data?.token}` },
  params: { header: { "User-Email": "optician@example.com" } },
  body: {
    mode: "draft", submission_type: "new", order_type: "rx",
    lab: "lab_123", account_number: "1234567", mounting_option: "Uncuts Only",
    patient: { first_name: "Ada", last_name: "Example" },
    frame: {
      handling: "Frame to Come", manufacturer: "Acme", model: "A100", material: "metal",
      color: "Gold", eye_size: 52, bridge: 18,
    },
    rx: { left_eye: eye, right_eye: eye },
  },
});
const page = await subscriptions.GET("/api/public/v1/subscriptions", {
  headers: basic("demo-merchant"),
  params: { query: { status: ["active", "sent"], per_page: 5 } },
});
console.log(JSON.stringify([
  qualified.data?.qualifies, refused.error?.detail, order.data?.id.slice(0, 4),
  order.data?.warnings?.some((each) => each.code === "decentration"), page.data?.meta?.per_page,
]));
"""
SETTINGS = {
    "compilerOptions": {
        "strict": True,
        "module": "nodenext",
        "target": "es2022",
        "lib": ["es2023", "dom"],
        "types": [],
        "skipLibCheck": False,
    },
    "files": ["program.ts", "globals.d.ts"],
}


def test_a_typescript_client_compiles_and_calls(site: str, tmp_path: Path) -> None:
    install(tmp_path, *PACKAGES)
    (tmp_path / "tsconfig.json").write_text(json.dumps(SETTINGS))
    (tmp_path / "globals.d.ts").write_text("declare const process: { argv: string[] };\n")
    (tmp_path / "program.ts").write_text(PROGRAM)
    modules = tmp_path / "node_modules"
    for service in SERVICES:
        document, types = DOCUMENTS / f"{service}.json", f"{service}.d.ts"
        run_node(tmp_path, modules / "openapi-typescript/bin/cli.js", document, "--output", types)
    run_node(tmp_path, modules / "typescript/bin/tsc")
    printed = json.loads(run_node(tmp_path, "program.js", site))
    assert printed == [True, "You have no such session of this user.", "ord_", True, 5]


@pytest.fixture
def clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a generated Python client of each API."""
    (tmp_path / "config.yml").write_text(
        "post_hooks: []\ncontent_type_overrides:\n  image/svg+xml: application/octet-stream\n"
    )
    for service in SERVICES:
        subprocess.run(
            [
                *(sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"),
                *("--path", DOCUMENTS / f"{service}.json"),
                *("--output-path", tmp_path / f"{service}_client"),
                *("--config", tmp_path / "config.yml", "--fail-on-warning"),
            ],
            check=True,
            timeout=120,
        )
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def load(name: str) -> Any:
    return importlib.import_module(name)


def test_a_python_client_imports_and_calls(site: str, clients: Path) -> None:
    made = load("sessions_client.client").AuthenticatedClient(
        base_url=site, token=build_basic("demo-partner").split()[1], prefix="Basic"
    )
    with made as client:
        api = load("sessions_client.api.qualifications.check_qualification")
        models = load("sessions_client.models")
        body = models.CheckQualificationRequest.from_dict(
            {"user": {"birthdate": "1988-01-01", "region": "US-IL"}}
        )
        found = api.sync(client=client, body=body)
    assert found.qualifies is True
    for service in SERVICES:
        assert load(f"{service}_client.models").__all__
        for path in (clients / f"{service}_client").rglob("*.py"):
            compile(path.read_text(), str(path), "exec")
