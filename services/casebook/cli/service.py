"""Asking the services over HTTP: with a token of the right role, patiently, and in plain words."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, Self

import httpx

from services.casebook.cli.exits import Failure, Problem
from services.casebook.cli.settings import ClientSettings
from shared.identifiers import Role

STAGES: Final = ("intake", "routing", "executor", "signing", "notify")
SERVICES: Final = (*STAGES, "casebook")

_CONNECT_S: Final = 5.0
_ANSWER_S: Final = 30.0
_REPEAT_S_MAX: Final = 60.0
"""How long "not now" is answered by waiting and asking again."""
_PAUSE_S_MAX: Final = 5.0
_TOKEN_S: Final = 3000.0
"""Tokens live an hour; one is fetched anew somewhat earlier."""

Parameter = str | int | float | bool | None
"""What stands behind a `?`; None is left out."""


@dataclass(frozen=True, slots=True)
class Person:
    """As whom to ask, in a local run: the issuer gives a token for anyone."""

    staff: str
    office: str
    roles: tuple[Role, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that was no refusal."""

    code: int
    body: Any

    @property
    def position(self) -> str | None:
        """The place of the command's last event in the log; None while it is not published."""
        found = self.body.get("position") if isinstance(self.body, Mapping) else None
        return found if isinstance(found, str) else None


@dataclass
class Services:
    """See the module. Close it when done; `with` does so."""

    settings: ClientSettings
    on_wait: Callable[[str], None]
    """Told when a request is going to be repeated."""
    given_token: str | None = None
    """A token that the user named: it is used for everything."""
    repeat_s_max: float = _REPEAT_S_MAX
    _client: httpx.Client = field(init=False)
    _tokens: dict[Person, tuple[str, float]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        limits = httpx.Timeout(_ANSWER_S, connect=_CONNECT_S)
        self._client = httpx.Client(timeout=limits, trust_env=False, verify=self.settings.trusted())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, service: str, path: str, who: Person, **query: Parameter) -> dict[str, Any]:
        """The JSON object at a path. Raises Problem, Failure."""
        found: dict[str, Any] = self.ask("GET", service, path, who, query=query).body
        return found

    def get_list(
        self, service: str, path: str, who: Person, **query: Parameter
    ) -> list[dict[str, Any]]:
        """The JSON list at a path. Raises Problem, Failure."""
        found: list[dict[str, Any]] = self.ask("GET", service, path, who, query=query).body
        return found

    def ask(
        self,
        method: str,
        service: str,
        path: str,
        who: Person,
        *,
        body: object = None,
        key: str | None = None,
        query: Mapping[str, Parameter] | None = None,
    ) -> Reply:
        """One request, repeated while the service says "not now" (503).

        Every request of ours may be repeated: it reads, it has an idempotency key, or its second
        time finds nothing left to do.

        Raises:
            Problem: the service said no.
            Failure: it cannot be reached, or says "not now" for too long.
        """
        headers = {"Authorization": f"Bearer {self._token(who)}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        parameters = {name: value for name, value in (query or {}).items() if value is not None}
        url = f"{self.settings.url(service)}{path}"
        request = self._client.build_request(
            method, url, params=httpx.QueryParams(parameters), json=body, headers=headers
        )
        return _reply(service, self._patiently(service, request))

    def peek(self, service: str, path: str) -> httpx.Response | None:
        """Something that needs no token; None when nobody answers."""
        try:
            return self._client.get(f"{self.settings.url(service)}{path}", timeout=_CONNECT_S)
        except httpx.HTTPError:
            return None

    @property
    def is_local(self) -> bool:
        """Whether there is an issuer that gives tokens for the asking."""
        return self.given_token is None and self.settings.issuer_url is not None

    def _patiently(self, service: str, request: httpx.Request) -> httpx.Response:
        until = time.monotonic() + self.repeat_s_max
        while True:
            answer, fault = self._once(request)
            if answer is not None and answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
                return answer
            pause_s = min(_pause_s(answer), _PAUSE_S_MAX)
            if time.monotonic() + pause_s > until:
                if answer is not None:
                    return answer
                raise Failure(f"{service} cannot be reached ({fault})")
            self.on_wait(f"{service} says not now ({fault or 'busy'}); asking again")
            time.sleep(pause_s)

    def _once(self, request: httpx.Request) -> tuple[httpx.Response | None, str | None]:
        try:
            answer = self._client.send(request)
        except httpx.TransportError as fault:
            return None, type(fault).__name__
        return answer, str(_problem(answer).get("detail", "")) or None

    def _token(self, who: Person) -> str:
        given = self.given_token or (
            self.settings.token.get_secret_value() if self.settings.token else None
        )
        if given is not None:
            return given
        text, until = self._tokens.get(who, ("", 0.0))
        if time.monotonic() > until:
            text = self._issued(who)
            self._tokens[who] = (text, time.monotonic() + _TOKEN_S)
        return text

    def _issued(self, who: Person) -> str:
        if self.settings.issuer_url is None and self.settings.intake_url is not None:
            raise Failure("a token is needed: --token or QYZMET_TOKEN")
        wanted = {"staff": who.staff, "office": who.office, "roles": sorted(who.roles)}
        url = f"{self.settings.url('issuer')}/tokens"
        answer = self._patiently("issuer", self._client.build_request("POST", url, json=wanted))
        return str(_reply("issuer", answer).body["token"])


def _reply(service: str, answer: httpx.Response) -> Reply:
    if answer.is_success:
        return Reply(answer.status_code, answer.json())
    raise Problem(service, _problem(answer), answer.status_code)


def _problem(answer: httpx.Response) -> Mapping[str, object]:
    if answer.is_success:
        return {}
    try:
        told = answer.json()
    except ValueError:
        return {"title": answer.reason_phrase}
    return told if isinstance(told, Mapping) else {"title": answer.reason_phrase}


def _pause_s(answer: httpx.Response | None) -> float:
    """As long as the service says, and a moment where it says nothing."""
    told = answer.headers.get("Retry-After", "") if answer is not None else ""
    return float(told) if told.isdigit() else 0.5
