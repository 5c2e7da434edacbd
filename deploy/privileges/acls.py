"""The table as Kafka's access lists and SCRAM users. Run again it changes nothing; what stands in
Kafka and not in the table is taken away."""

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from typing import Any, Final

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)

from deploy.privileges.table import PRINCIPALS, Principal

ITERATIONS: Final = 8192
_WAIT_S: Final = 30.0
_NOTHING: Any = None  # the types ask for a text, and the library for this
ANYTHING: Final = AclBindingFilter(
    ResourceType.ANY,
    _NOTHING,
    ResourcePatternType.ANY,
    _NOTHING,
    _NOTHING,
    AclOperation.ANY,
    AclPermissionType.ANY,
)


def bindings(principals: Iterable[Principal] = PRINCIPALS) -> set[AclBinding]:
    """What has to stand in Kafka, no more and no less."""
    found = set()
    for principal in principals:
        for topic, operations in principal.topics.items():
            for operation in operations:
                found.add(_allowed(principal.name, ResourceType.TOPIC, topic, operation))
        for group in principal.groups:
            found.add(_allowed(principal.name, ResourceType.GROUP, group, "READ"))
    return found


def apply_acls(admin: AdminClient) -> tuple[int, int]:
    """Make Kafka's lists those of the table; how many were added, and how many taken away."""
    wanted = bindings()
    standing = set(admin.describe_acls(ANYTHING, request_timeout=_WAIT_S).result())
    added, surplus = wanted - standing, standing - wanted
    if added:
        _wait_for(admin.create_acls(list(added), request_timeout=_WAIT_S))
    if surplus:
        filters = [exactly(binding) for binding in surplus]
        _wait_for(admin.delete_acls(filters, request_timeout=_WAIT_S))
    return len(added), len(surplus)


def apply_users(admin: AdminClient, passwords: Mapping[str, str]) -> None:
    """Give each user the password of its file; connections that stand are not ended."""
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS)
    changes: list[UserScramCredentialAlteration] = [
        UserScramCredentialUpsertion(name, info, password.encode())
        for name, password in passwords.items()
    ]
    _wait_for(admin.alter_user_scram_credentials(changes, request_timeout=_WAIT_S))


def _wait_for(answers: Mapping[Any, Future[Any]]) -> None:
    for answer in answers.values():
        answer.result()


def _allowed(name: str, kind: ResourceType, resource: str, operation: str) -> AclBinding:
    return AclBinding(
        kind,
        resource,
        ResourcePatternType.LITERAL,
        f"User:{name}",
        "*",
        AclOperation[operation],
        AclPermissionType.ALLOW,
    )


def exactly(binding: AclBinding) -> AclBindingFilter:
    """What finds this binding and no other."""
    return AclBindingFilter(
        binding.restype,
        binding.name,
        binding.resource_pattern_type,
        binding.principal,
        binding.host,
        binding.operation,
        binding.permission_type,
    )
