"""The OpenAPI 3.1 document of each service, asked of the application that the service serves."""

import importlib
import json
import tempfile
from pathlib import Path
from typing import Any

from joserfc.jwk import KeySet, OKPKey

from deploy.local.environment import SERVICES

Document = dict[str, Any]


def documents() -> dict[str, Document]:
    """By service. Each application is put together and never started; the process's logging is
    the last one's afterwards, so this is for a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        keys = Path(folder) / "tokens.json"
        key = OKPKey.generate_key("Ed25519", {"kid": "nobody"}, private=True)
        keys.write_text(json.dumps(KeySet([key]).as_dict(private=False)), encoding="utf-8")
        return {service: _document(service, keys) for service in SERVICES}


def _document(service: str, token_keys: Path) -> Document:
    settings = importlib.import_module(f"services.{service}.settings").Settings
    wiring = importlib.import_module(f"services.{service}.wiring")
    nowhere = {
        "database_url": "postgres://nowhere/nothing",
        "privacy_url": "postgres://nowhere/nothing",
        "kafka": "nowhere:1",
        "port": 1,
        "master_key_file": token_keys,
        "lookup_key_file": token_keys,
        "token_keys": token_keys,
    }
    found: Document = wiring.make_app(settings.model_validate(nowhere)).openapi()
    return found
