"""What a new build may change of what was released, and what breaks somebody.

**Events.** The log is for ever, and builds of two versions run side by side: the new one must read
what an old one wrote, and an old one, or another system, what the new one writes. Events are
closed, so both together allow no change of shape at all; a new shape is a new version.

**Routes.** A client of the released document must be able to ask as before and to understand the
answer. It has been told to leave fields alone that it does not know, to expect new values in the
enumerations of answers, and to judge a problem's status it does not know by its class.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from deploy.contracts.reading import Side, of, unreadable

Document = Mapping[str, Any]
_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


def unopenable(schemas: Mapping[str, Document], newest: Mapping[str, str]) -> list[str]:
    """Sealed parts of old versions that do not fit the newest one: no upcaster can touch them.

    `newest` names the version under which each old one is read today.
    """
    return [
        f"{type_}: what was sealed does not open as {now}: {fault}"
        for type_, now in newest.items()
        for fault in unreadable(_sealed(schemas[type_]), _sealed(schemas[now]))
    ]


def _sealed(schema: Document) -> Side:
    inside = schema["properties"].get("private", {}).get("x-sealed", False)
    return Side(inside, schema)


def broken_events(released: Mapping[str, Document], now: Mapping[str, Document]) -> list[str]:
    """Each way in which a released version of an event is no longer what it was."""
    return [
        f"{type_}: {fault}"
        for type_, schema in released.items()
        for fault in (_broken_event(schema, now[type_]) if type_ in now else ["is gone"])
    ]


def _broken_event(released: Document, now: Document) -> Iterator[str]:
    for fault in unreadable(of(released), of(now)):
        yield f"what an older build wrote cannot be read: {fault}"
    for fault in unreadable(of(now), of(released)):
        yield f"an older build cannot read what is written: {fault}"


def broken_routes(released: Mapping[str, Document], now: Mapping[str, Document]) -> list[str]:
    """Each way in which a released route no longer serves a client of its document."""
    return [
        f"{service}: {fault}"
        for service, document in released.items()
        for fault in (_broken_service(document, now[service]) if service in now else ["is gone"])
    ]


def _broken_service(released: Document, now: Document) -> Iterator[str]:
    for path, methods in released["paths"].items():
        for method in _METHODS:
            if method not in methods:
                continue
            name = f"{method.upper()} {path}"
            operation = now["paths"].get(path, {}).get(method)
            if operation is None:
                yield f"{name}: is gone"
                continue
            pair = _Pair(released, methods[method], now, operation)
            yield from (f"{name}: {fault}" for fault in pair.faults())


class _Pair:
    """One operation as it was released and as it is."""

    def __init__(
        self, released: Document, operation: Document, now: Document, new_operation: Document
    ) -> None:
        self._released, self._old = released, operation
        self._now, self._new = now, new_operation

    def faults(self) -> Iterator[str]:
        """All that a client of the released document would stumble over."""
        yield from self._parameters()
        yield from self._body()
        yield from self._answers()
        if self._security(self._new, self._now) != self._security(self._old, self._released):
            yield "is secured in another way"

    def _parameters(self) -> Iterator[str]:
        old = {(each["in"], each["name"]): each for each in self._old.get("parameters", ())}
        new = {(each["in"], each["name"]): each for each in self._new.get("parameters", ())}
        for key in old:
            if key not in new:
                yield f"parameter {key[1]}: is gone"
        for key, parameter in new.items():
            was = old.get(key)
            if parameter.get("required", False) and not (was or {}).get("required", False):
                yield f"parameter {key[1]}: is needed now"
            if was is not None:
                yield from self._taken(was["schema"], parameter["schema"], f"parameter {key[1]}")

    def _body(self) -> Iterator[str]:
        old, new = self._old.get("requestBody", {}), self._new.get("requestBody", {})
        if new.get("required", False) and not old.get("required", False):
            yield "body: is needed now"
        for kind, content in old.get("content", {}).items():
            if kind not in new.get("content", {}):
                yield f"body: {kind} is not taken any more"
                continue
            taken = new["content"][kind].get("schema", True)
            yield from self._taken(content.get("schema", True), taken, "body")

    def _taken(self, old: Any, new: Any, what: str) -> Iterator[str]:  # noqa: ANN401 - JSON
        """What an old client may send, the service must take."""
        yield from unreadable(Side(old, self._released), Side(new, self._now), what)

    def _answers(self) -> Iterator[str]:
        old, new = self._old["responses"], self._new["responses"]
        for status in new.keys() - old.keys():
            if status.startswith("2"):
                yield f"answer {status}: was not released"
        for status, answer in old.items():
            if status not in new:
                yield f"answer {status}: is gone"
                continue
            yield from self._answer(answer, new[status], f"answer {status}")

    def _answer(self, old: Document, new: Document, what: str) -> Iterator[str]:
        for name, header in old.get("headers", {}).items():
            kept = new.get("headers", {}).get(name, {})
            if header.get("required", False) and not kept.get("required", False):
                yield f"{what}: header {name} may be absent"
        for kind, content in old.get("content", {}).items():
            if kind not in new.get("content", {}):
                yield f"{what}: {kind} is gone"
                continue
            said = Side(new["content"][kind].get("schema", True), self._now)
            understood = Side(content.get("schema", True), self._released)
            yield from unreadable(said, understood, what, new_values=True)

    @staticmethod
    def _security(operation: Document, document: Document) -> list[Any]:
        return list(operation.get("security", document.get("security", ())))
