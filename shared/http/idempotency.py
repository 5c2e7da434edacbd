"""The client's key for a request, under which a repeat gets the answer of the first time (D2)."""

import hashlib
from typing import Annotated

from fastapi import Header

_Key = Header(
    alias="Idempotency-Key",
    min_length=1,
    max_length=200,
    pattern=r"^[\x21-\x7e]+$",
    description="1 to 200 visible ASCII characters, chosen by the client: the same for a repeat.",
)

RequiredKey = Annotated[str, _Key]
"""Where a repeat without a key would make a second case: lodging."""

OptionalKey = Annotated[str | None, _Key]
"""Everywhere else; the parameter's default is None."""


def idempotency_key(actor: str, route: str, key: str, body: bytes) -> str:
    """What an envelope keeps: `<sha256 of actor, route, key>:<sha256 of the body>`, in hex.

    The first half finds the repeat, the second tells whether it is one.
    """
    place = hashlib.sha256(f"{actor}\0{route}\0{key}".encode()).hexdigest()
    return f"{place}:{hashlib.sha256(body).hexdigest()}"
