"""New certificates for brokers that go on working."""

from typing import Final

from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from deploy.site.broker import CERTIFICATE, LISTENERS

_WAIT_S: Final = 20.0


def take_up_certificate(admin: AdminClient, broker: int) -> None:
    """Have a broker read its certificate again, for connections that are made from now on.

    It is told the same path once more: a broker that is told a path looks whether the file changed.
    Raises KafkaException when it does not like what it finds, and keeps the old one.
    """
    entries = [
        ConfigEntry(
            f"listener.name.{listener.lower()}.ssl.keystore.location",
            CERTIFICATE,
            incremental_operation=AlterConfigOpType.SET,
        )
        for listener in LISTENERS
    ]
    resource = ConfigResource(ResourceType.BROKER, str(broker), incremental_configs=entries)
    told = admin.incremental_alter_configs([resource], request_timeout=_WAIT_S)
    told[resource].result()
