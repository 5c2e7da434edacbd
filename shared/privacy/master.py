"""The master keys that wrap case keys, and the files in which an operator keeps them.

A file of master keys has one line for each, `<id> <base64url of 32 bytes>`; the last line wraps
new keys, the others still open what they wrapped. To rotate: add a line, restart, let
`Vault.rewrap` finish, remove the old line. A file of 32 raw bytes is one key, with the id 1.
"""

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.identifiers import CaseId
from shared.privacy.sealing import KEY_BYTES, NONCE_BYTES, CaseKey, Tampered

_ID_MAX: Final = 255
"""The id of a master key is the first byte of what it wraps."""


class BadKeyFile(Exception):
    """A file of keys is missing or is not of its form. Names the file and the line, no key."""


class UnknownMasterKey(Exception):
    """A case key was wrapped by a master key that the file does not hold (any more)."""


@dataclass(frozen=True, slots=True, repr=False)
class MasterKeys:
    """Every master key by its id (1 to 255), and the id of the one that wraps new keys."""

    keys: Mapping[int, bytes]
    current: int

    def __repr__(self) -> str:
        return f"MasterKeys(current={self.current}, hidden)"

    def wrap(self, case_id: CaseId, key: CaseKey) -> bytes:
        """Id byte, nonce and ciphertext: a case's key, to be opened for that case only."""
        nonce = os.urandom(NONCE_BYTES)
        wrapped = AESGCM(self.keys[self.current]).encrypt(
            nonce, key.material, _bound_to(self.current, case_id)
        )
        return bytes([self.current]) + nonce + wrapped

    def unwrap(self, case_id: CaseId, wrapped: bytes) -> CaseKey:
        """The key that `wrap` wrapped.

        Raises:
            Tampered: it was changed, or belongs to another case.
            UnknownMasterKey: its master key is not in the file.
        """
        id_, nonce, ciphertext = wrapped[:1], wrapped[1 : 1 + NONCE_BYTES], wrapped[13:]
        master = self.keys.get(id_[0]) if id_ else None
        if master is None:
            raise UnknownMasterKey(f"case {case_id}: master key {id_.hex() or 'without id'}")
        try:
            plain = AESGCM(master).decrypt(nonce, ciphertext, _bound_to(id_[0], case_id))
        except (InvalidTag, ValueError):
            raise Tampered(f"case {case_id}: its wrapped key does not open") from None
        return CaseKey(plain)


def read_master_keys(path: Path) -> MasterKeys:
    """The master keys in a file (see the module).

    Raises:
        BadKeyFile.
    """
    raw = _raw_key(path)
    if raw is not None:
        return MasterKeys({1: raw}, current=1)
    keys: dict[int, bytes] = {}
    current = 0
    for number, line in enumerate(_lines(path), start=1):
        id_, _, key = line.partition(" ")
        if not id_.isdecimal() or not 1 <= int(id_) <= _ID_MAX or int(id_) in keys:
            raise BadKeyFile(f"{path} line {number}: an id from 1 to {_ID_MAX}, used once")
        current = int(id_)
        keys[current] = _key(key, path, number)
    return MasterKeys(keys, current)


def read_lookup_key(path: Path) -> bytes:
    """The key of the lookup from an IIN to an applicant: 32 raw bytes, or one line of base64url.

    It cannot be rotated: without the IINs nobody could compute the lookups anew.

    Raises:
        BadKeyFile.
    """
    raw = _raw_key(path)
    if raw is not None:
        return raw
    lines = _lines(path)
    if len(lines) != 1:
        raise BadKeyFile(f"{path}: one line expected, {len(lines)} found")
    return _key(lines[0], path, 1)


def new_key_text() -> str:
    """A fresh random key as a file of keys writes it (a line of master keys puts an id before)."""
    return base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode()


def _raw_key(path: Path) -> bytes | None:
    """The file's content when it is as long as a key: no line of text with a key is."""
    try:
        content = path.read_bytes()
    except OSError:
        raise BadKeyFile(f"{path}: cannot be read as a file of keys") from None
    return content if len(content) == KEY_BYTES else None


def _lines(path: Path) -> list[str]:
    try:
        lines = [line.strip() for line in path.read_text("ascii").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError):
        raise BadKeyFile(f"{path}: cannot be read as a file of keys") from None
    if not lines:
        raise BadKeyFile(f"{path}: holds no key")
    return lines


def _key(text: str, path: Path, number: int) -> bytes:
    try:
        key = base64.b64decode(text.encode(), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise BadKeyFile(f"{path} line {number}: base64url of {KEY_BYTES} bytes expected")
    return key


def _bound_to(master: int, case_id: CaseId) -> bytes:
    return f"case-key\n{master}\n{case_id}".encode()
