"""Who is asking: tokens (JWT, EdDSA) of members of staff, checked against public keys in a file.

A token says who somebody is and in which office; what they may do today, the directory says.
"""

import copy
import json
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

import structlog
from fastapi import Depends, Request, params
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import GuestProtocol, KeySet, OKPKey
from joserfc.jws import JWSRegistry
from pydantic import BaseModel, ConfigDict, StrictInt, ValidationError

from shared.errors import Because, Refused
from shared.http.problems import BadToken
from shared.identifiers import OfficeId, Role, StaffId

ISSUER: Final = "qyzmet"
AUDIENCE: Final = "qyzmet"
ALGORITHM: Final = "EdDSA"
LIFETIME_MAX: Final = timedelta(hours=1)
LEEWAY_S: Final = 30
"""How far the issuer's clock may be from ours."""

MAY_ACT_AS_HEAD: Final = (Role.HEAD, Role.MANAGEMENT, Role.RESPONSIBLE_EXECUTOR)
"""Whose tokens are let through to what the head does: somebody who acts for the head has a token
with roles of their own. Whether they act today, the directory says to the rule."""

_RELOAD_S_MIN: Final = 5.0
"""The file of keys is looked at this often at most."""
_VERIFIED_MAX: Final = 2_048
"""Tokens remembered as verified: a signature costs more than all else about a small request."""
_TOKEN_LENGTH_MAX: Final = 4_096

_log = structlog.get_logger()


class BadTokenKeys(Exception):
    """The file of public keys is missing or not a JWKS of Ed25519 keys with ids."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking. `roles` are the token's; `is_operator`: admitted as operator only."""

    staff: str
    office: str
    roles: frozenset[Role]
    is_operator: bool = False

    @property
    def actor(self) -> str:
        """As an envelope names it: `staff:<id>`, or `operator:<id>` when acting as one."""
        return f"{'operator' if self.is_operator else 'staff'}:{self.staff}"


class _Claims(BaseModel):
    """The claims we rely on; a token may carry others."""

    model_config = ConfigDict(frozen=True)

    sub: StaffId
    office: OfficeId
    roles: frozenset[Role]
    iat: StrictInt
    exp: StrictInt


def _eddsa_only() -> JWSRegistry:
    """Knows one algorithm: no other can be asked for, whatever a token's header says.

    RFC 9864 renames it to Ed25519, which the library warns of at each use; issuers still write
    EdDSA, and only Ed25519 keys are taken here.
    """
    registry = JWSRegistry(algorithms=[ALGORITHM])
    algorithm = copy.copy(registry.algorithms[ALGORITHM])
    algorithm.security_warning = None
    registry.algorithms = {ALGORITHM: algorithm}
    return registry


_REGISTRY: Final = _eddsa_only()
_CLAIMS: Final = jwt.JWTClaimsRegistry(
    leeway=LEEWAY_S,
    aud={"essential": True, "value": AUDIENCE},
    sub={"essential": True},
    iat={"essential": True},
    exp={"essential": True},
)


class TokenKeys:
    """The public keys of a file, by their ids, read again when the file changes."""

    def __init__(self, path: Path, *, issuer: str = ISSUER) -> None:
        """Reads the file. Raises BadTokenKeys."""
        self._path = path
        self._issuer = issuer
        self._verified: dict[str, tuple[Caller, int]] = {}
        self._changed_ns = _changed_ns(path)
        self._keys = _read(path)
        self._looked_at = time.monotonic()

    def caller(self, token: str) -> Caller:
        """Who a token speaks for.

        Raises:
            BadToken: forged, expired, of another algorithm, issuer, audience or form.
        """
        self._look_again()
        known = self._verified.get(token)
        if known is not None and time.time() < known[1] + LEEWAY_S:
            return known[0]
        claims = self._checked(token)
        caller = Caller(claims.sub, claims.office, claims.roles)
        if len(self._verified) >= _VERIFIED_MAX:
            self._verified.clear()
        self._verified[token] = (caller, claims.exp)
        return caller

    def _checked(self, token: str) -> _Claims:
        if len(token) > _TOKEN_LENGTH_MAX:
            raise BadToken("the token is too long")
        try:
            decoded = jwt.decode(token, self._key, registry=_REGISTRY)
            _CLAIMS.validate(decoded.claims)
            claims = _Claims.model_validate(decoded.claims)
        except ValidationError:
            raise BadToken("a claim is missing or not of its form") from None
        except (JoseError, ValueError, TypeError) as error:
            raise BadToken(_reason(error)) from None
        if decoded.claims.get("iss") != self._issuer:
            raise BadToken("the token is of another issuer")
        if not 0 < claims.exp - claims.iat <= LIFETIME_MAX.total_seconds():
            raise BadToken("the token lives too long")
        return claims

    def _key(self, token: GuestProtocol) -> OKPKey:
        """The key that the token's header names; never one that merely fits."""
        name = token.headers().get("kid")
        key = self._keys.get(name) if isinstance(name, str) else None
        if key is None:
            raise BadToken("the token names no key of ours")
        return key

    def _look_again(self) -> None:
        # A small local file, a few times a minute: not worth leaving the event loop for.
        if time.monotonic() - self._looked_at < _RELOAD_S_MIN:
            return
        self._looked_at = time.monotonic()
        try:
            changed_ns = _changed_ns(self._path)
            if changed_ns != self._changed_ns:
                self._keys = _read(self._path)
                self._changed_ns = changed_ns
                self._verified.clear()
        except BadTokenKeys:
            # Half-written, perhaps: the keys we have are good until a good file comes.
            _log.warning("token_keys_unreadable", path=str(self._path))


_BEARER: Final = HTTPBearer(auto_error=False, bearerFormat="JWT", scheme_name="token")


def caller(*roles: Role) -> params.Depends:
    """A dependency: the caller, who has at least one of these roles (any, when none is named).

    It finds the keys in `app.state.token_keys`. Raises BadToken, or Refused because of the actor.
    """

    async def admitted(
        request: Request,
        given: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
    ) -> Caller:
        if given is None:
            raise BadToken("no bearer token was given", was_given=False)
        keys: TokenKeys = request.app.state.token_keys
        return permitted(keys.caller(given.credentials), roles)

    return params.Depends(admitted)


def permitted(who: Caller, roles: Collection[Role]) -> Caller:
    """The caller, when one of the roles is theirs; acting as operator when only that one is.

    Raises:
        Refused: none is.
    """
    usable = who.roles.intersection(roles)
    if roles and not usable:
        raise Refused(
            "only certain roles may do this",
            expected=" or ".join(sorted(roles)),
            found=" and ".join(sorted(who.roles)) or "no role",
            because=Because.ACTOR,
        )
    return replace(who, is_operator=usable == {Role.OPERATOR})


def issue(
    private_jwk: Mapping[str, str],
    *,
    staff: str,
    office: str,
    roles: Collection[Role],
    lifetime: timedelta = LIFETIME_MAX,
) -> str:
    """A token, signed with a private key: for the demo issuer and for tests only."""
    key = OKPKey.import_key(dict(private_jwk))
    issued_at = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": staff,
        "office": office,
        "roles": sorted(roles),
        "iat": issued_at,
        "exp": issued_at + int(lifetime.total_seconds()),
    }
    return jwt.encode({"alg": ALGORITHM, "kid": key.kid}, claims, key, registry=_REGISTRY)


def _read(path: Path) -> dict[str, OKPKey]:
    try:
        keys = KeySet.import_key_set(json.loads(path.read_text("utf-8"))).keys
        found = {key.kid: key for key in keys if isinstance(key, OKPKey) and key.kid}
        is_sound = len(found) == len(keys) > 0 and all(
            key.curve_name == "Ed25519" for key in found.values()
        )
    except (OSError, JoseError, ValueError, KeyError, TypeError):
        raise BadTokenKeys(f"{path}: not a readable JWKS") from None
    if not is_sound:
        raise BadTokenKeys(f"{path}: Ed25519 keys expected, each with its own kid")
    return found


def _changed_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        raise BadTokenKeys(f"{path}: cannot be found") from None


def _reason(error: Exception) -> str:
    """What is wrong, in words of ours: the library's may quote the token."""
    reasons = {
        "expired_token": "the token has expired",
        "bad_signature": "the signature is not good",
        "unsupported_algorithm": f"only {ALGORITHM} is accepted",
        "invalid_claim": "a claim has another value",
        "missing_claim": "a claim is missing",
    }
    return reasons.get(getattr(error, "error", ""), "not a token of ours")
