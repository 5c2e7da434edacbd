"""Sealing the private part of an event under its case's key, and opening it again (D11).

A sealed block is `sealed.v1.` and the base64url of nonce and ciphertext: AES-256-GCM over the
model's JSON. The event's type, case and id are authenticated with it, so a block that was copied
to another event does not open.
"""

import base64
import binascii
import os
import typing
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel, ValidationError

from shared.errors import Because, Refused
from shared.events.event import ERASED, Private, Sealed
from shared.identifiers import CaseId, EventId

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
PLAIN_BYTES_MAX: Final = 700_000
"""Of one block's JSON: what fits, in base64, into the length that `Sealed` allows."""

_PREFIX: Final = "sealed.v1."

P = TypeVar("P", bound=Private)


class Tampered(Exception):
    """A sealed block or a wrapped key fails authentication: changed, moved, or under another key.

    Names the case and the event, never what was inside.
    """


@dataclass(frozen=True, slots=True, repr=False)
class CaseKey:
    """The key of one case: 32 bytes that no log line, error or repr shows."""

    material: bytes

    def __post_init__(self) -> None:
        if len(self.material) != KEY_BYTES:
            raise ValueError(f"a case key has {KEY_BYTES} bytes")

    def __repr__(self) -> str:
        return "CaseKey(hidden)"

    @classmethod
    def new(cls) -> "CaseKey":
        """A fresh random key."""
        return cls(os.urandom(KEY_BYTES))


def seal(
    key: CaseKey, *, type_: str, case_id: CaseId, event_id: EventId, private: Private
) -> Sealed:
    """The block in which the log carries `private`.

    Raises:
        Refused: there is more of it than one block holds.
    """
    plain = plain_of(private)
    nonce = os.urandom(NONCE_BYTES)
    bound_to = _bound_to(type_, case_id, event_id)
    return _PREFIX + _text(nonce + AESGCM(key.material).encrypt(nonce, plain, bound_to))


def plain_of(private: Private) -> bytes:
    """What a block seals. Raises Refused when there is more of it than one block holds."""
    plain = private.model_dump_json(exclude_none=True).encode()
    if len(plain) > PLAIN_BYTES_MAX:
        raise Refused(
            "personal data and free text fit into one block",
            expected=f"at most {PLAIN_BYTES_MAX} bytes",
            found=f"{len(plain)} bytes",
            because=Because.INPUT,
        )
    return plain


def unseal(
    key: CaseKey | None,
    *,
    type_: str,
    case_id: CaseId,
    event_id: EventId,
    sealed: Sealed,
    model: type[P],
) -> P | None:
    """What a block holds; None when it was erased, or when its key is gone (which is the same).

    Raises:
        Tampered: the block does not open with this key, or was not sealed for this event.
    """
    if key is None or sealed == ERASED:
        return None
    block = _block(sealed)
    if block is None:
        raise Tampered(f"event {event_id} of case {case_id}: not a sealed block")
    nonce, ciphertext = block[:NONCE_BYTES], block[NONCE_BYTES:]
    try:
        bound_to = _bound_to(type_, case_id, event_id)
        plain = AESGCM(key.material).decrypt(nonce, ciphertext, bound_to)
    except InvalidTag:
        raise Tampered(f"event {event_id} of case {case_id}: the block does not open") from None
    try:
        return model.model_validate_json(plain)
    except ValidationError:
        # Pydantic's error quotes the values; what was sealed must not get into a traceback.
        raise Tampered(
            f"event {event_id} of case {case_id}: the block holds no {model.__name__}"
        ) from None


@cache
def private_model(event_class: type[BaseModel]) -> type[Private] | None:
    """The model of an event's private part, or None when it has none."""
    field = event_class.model_fields.get("private")
    return _private_in(field.annotation) if field is not None else None


def _private_in(annotation: object) -> type[Private] | None:
    if isinstance(annotation, type) and issubclass(annotation, Private):
        return annotation
    found = (_private_in(part) for part in typing.get_args(annotation))
    return next((model for model in found if model is not None), None)


def _bound_to(type_: str, case_id: CaseId, event_id: EventId) -> bytes:
    # Neither a UUID nor an event type holds a line break: the three cannot run into each other.
    return f"{type_}\n{case_id}\n{event_id}".encode()


def _text(block: bytes) -> str:
    return base64.urlsafe_b64encode(block).rstrip(b"=").decode()


def _block(sealed: str) -> bytes | None:
    """The bytes of a block's text; None unless it is exactly what `seal` would write of them."""
    text = sealed.removeprefix(_PREFIX)
    try:
        block = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None
    # Python skips foreign letters and ignores spare bits: one block, one spelling.
    is_exact = sealed == _PREFIX + _text(block) and len(block) > NONCE_BYTES
    return block if is_exact else None
