"""The keys of a local run: made once per data folder, readable by their owner only."""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from joserfc.jwk import KeyParameters, KeySet, OKPKey

KEY_BYTES = 32


@dataclass(frozen=True)
class Secrets:
    """Where each key lies."""

    master_key: Path
    """32 random bytes: wraps the keys of the cases (AES-256-GCM)."""
    lookup_key: Path
    """32 random bytes: the HMAC of identification numbers."""
    token_keys: Path
    """JWKS, public: with it every service checks tokens."""
    issuer_keys: Path
    """JWKS, private: with it the demo issuer signs tokens."""


def secrets_in(folder: Path) -> Secrets:
    """The secrets of a data folder, made now where they are not there yet."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = Secrets(
        master_key=folder / "master.key",
        lookup_key=folder / "lookup.key",
        token_keys=folder / "token-keys.json",
        issuer_keys=folder / "issuer-keys.json",
    )
    for file in (found.master_key, found.lookup_key):
        if not file.exists():
            write_private(file, secrets.token_bytes(KEY_BYTES))
    if not found.issuer_keys.exists():
        _write_signing_key(found)
    return found


def _write_signing_key(place: Secrets) -> None:
    """One Ed25519 pair; the private half is written last, since its presence says "made"."""
    marks: KeyParameters = {"kid": f"local-{secrets.token_hex(4)}", "use": "sig", "alg": "EdDSA"}
    keys = KeySet([OKPKey.generate_key("Ed25519", parameters=marks, private=True)])
    write_private(place.token_keys, json.dumps(keys.as_dict(private=False)).encode())
    write_private(place.issuer_keys, json.dumps(keys.as_dict(private=True)).encode())


def write_private(file: Path, content: bytes) -> None:
    """Write a file whole or not at all, mode 0600 from its first moment."""
    draft = file.with_name(f".{file.name}-{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as target:
        target.write(content)
        target.flush()
        os.fsync(target.fileno())
    draft.replace(file)
