"""`python -m openapi` writes the documents and the collection; with a folder it writes there."""

import json
import sys
from pathlib import Path

from gateway import create_app
from openapi.collection import build_collection
from openapi.configuration.page import write_page
from openapi.documents import build_documents
from openapi.event_schemas import build_event_schemas, write_table

ROOT = Path(__file__).parent.parent


def generate(root: Path) -> None:
    """Write the documents to gateway/openapi and docs, the collection to examples, below `root`."""
    app = create_app()
    documents = build_documents(app)
    app.extensions["backends"].close()
    for name, document in documents.items():
        _write(root / "gateway" / "openapi" / f"{name}.json", document)
    schemas = build_event_schemas(documents)
    events = root / "docs" / "reference" / "events"
    for name, schema in schemas.items():
        _write(root / "gateway" / "openapi" / "events" / f"{name}.json", schema)
        _write(events / f"{name}.json", schema)
    (events / "README.md").write_text(write_table(schemas))
    (root / "docs" / "reference" / "configuration.md").write_text(write_page())
    _write(root / "examples" / "optigate.postman_collection.json", build_collection(documents))


def _write(path: Path, document: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
