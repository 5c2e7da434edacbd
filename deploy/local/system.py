"""The whole system on one machine, brought up in order and taken down in the reverse."""

import asyncio
import contextlib
import importlib
import inspect
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from deploy.local import jars, records
from deploy.local.broker import LocalBroker
from deploy.local.environment import (
    CLIENT_FILE,
    SERVICES,
    SIMULATORS,
    STAGES,
    LocalEnvironment,
)
from deploy.local.lock import locked
from deploy.local.ports import port_of, require_free
from deploy.local.postgres import LocalPostgres
from deploy.local.processes import ServiceProcess
from deploy.local.progress import alarm, say, step
from deploy.local.secrets import secrets_in
from deploy.local.settings import LocalSettings
from deploy.local.supervisor import Part, Supervisor

DATABASES = ("qyzmet", "privacy")
SERVICE_READY_WITHIN_S = 120.0
STOPPERS = 16

# Creates topics and schemas before the services start.
Prepare = Callable[[LocalEnvironment], object]

MODULES: Mapping[str, str] = {
    **{name: f"deploy.simulators.{name}" for name in SIMULATORS},
    **{name: f"services.{name}" for name in SERVICES},
}


def prepare_system(environment: LocalEnvironment) -> object:
    """Hand over to deploy.local.prepare, imported only now: it brings the services' code along."""
    return importlib.import_module("deploy.local.prepare").prepare(environment)


@dataclass
class LocalSystem:
    """Everything of one run, in one data folder. Use as a context manager, or start and stop."""

    settings: LocalSettings
    modules: Mapping[str, str] = field(default_factory=lambda: MODULES)
    prepare: Prepare = prepare_system
    own: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """What single services are told otherwise than all."""
    services: dict[str, ServiceProcess] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        base, self.folder = self.settings.port_base, self.settings.folder.absolute()
        self.broker = LocalBroker(
            self.folder / "kafka", port_of(base, "kafka"), port_of(base, "controller")
        )
        self.postgres = LocalPostgres(self.folder / "postgres", port_of(base, "postgres"))
        self._held = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def parts(self) -> list[Part]:
        """Every process, in the order of starting."""
        return [self.postgres, self.broker, *self.services.values()]

    @property
    def environment(self) -> LocalEnvironment:
        """Where everything is."""
        return LocalEnvironment(
            settings=self.settings,
            secrets=secrets_in(self.folder / "secrets"),
            database_url=self.postgres.url("qyzmet"),
            privacy_url=self.postgres.url("privacy"),
            kafka=self.broker.bootstrap,
        )

    def start(self) -> None:
        """Bring all up and return when all is ready; on any fault take down what was started."""
        self._held.enter_context(locked(self.folder))
        try:
            self._start_stores()
            self._start_services()
            self.environment.write_client_file(self.folder)
        except BaseException:
            self.stop()
            raise

    def supervise(self) -> None:
        """Watch over all until interrupted."""
        Supervisor(self.parts).run()

    def stop(self) -> None:
        """Take all down: the services together, then Kafka, then Postgres.

        Each is tried, whatever became of the one before.
        """
        (self.folder / CLIENT_FILE).unlink(missing_ok=True)
        with self._held, contextlib.ExitStack() as stores:
            stores.callback(self.postgres.stop)
            stores.callback(self.broker.stop)
            with ThreadPoolExecutor(STOPPERS) as pool:
                for stop in [pool.submit(service.stop) for service in self.services.values()]:
                    stores.callback(stop.result)

    def kill(self) -> None:
        """End all at once, for those who cannot wait."""
        with self._held, contextlib.ExitStack() as parts:
            for part in self.parts:
                if part.alive:
                    parts.callback(part.kill)

    def _start_stores(self) -> None:
        """Postgres and Kafka side by side, then what the services expect to find in them."""
        (self.folder / CLIENT_FILE).unlink(missing_ok=True)  # a killed run could not
        for name in records.end_leftovers(self.folder / "pids"):
            alarm(f"{name} of an earlier run was still there and was ended")
        require_free(self._ports(), self.settings.port_base)
        with step("Kafka's jars, verified"):
            lock = jars.read_lock()
            self.broker.class_path = jars.fetch(lock, jars.cache_folder(self.settings.cache))
        with step("Kafka's classes, learned by Java"):
            self.broker.equip()
        with step("Postgres and Kafka"), ThreadPoolExecutor(2) as pool:
            for start in [pool.submit(store.start) for store in (self.postgres, self.broker)]:
                start.result()
            self.postgres.wait_ready()
            self.broker.wait_ready()
        with step("databases, schemas and topics"):
            for name in DATABASES:
                self.postgres.create_database(name)
            outcome = self.prepare(self.environment)
            if inspect.iscoroutine(outcome):
                asyncio.run(outcome)

    def _start_services(self) -> None:
        """All at once, since none needs another to start; then wait for each."""
        environment = self.environment
        for name, module in self.modules.items():
            for replica in range(1, self._replicas(name) + 1):
                key = name if replica == 1 else f"{name}-{replica}"
                port = port_of(self.settings.port_base, name, replica)
                variables = {**environment.of_process(name, replica), **self.own.get(name, {})}
                log = self.folder / "logs" / f"{key}.log"
                self.services[key] = ServiceProcess(
                    key, module, variables, port, log, self.folder / "pids"
                )
        for service in self.services.values():
            service.start()
        for service in self.services.values():
            with step(f"{service.name} at {service.url}"):
                service.wait_ready(SERVICE_READY_WITHIN_S)

    def _replicas(self, name: str) -> int:
        return self.settings.replicas if name in STAGES else 1

    def _ports(self) -> dict[str, int]:
        base = self.settings.port_base
        wanted = {name: port_of(base, name) for name in ("kafka", "controller", "postgres")}
        for name in self.modules:
            for replica in range(1, self._replicas(name) + 1):
                wanted[f"{name} {replica}"] = port_of(base, name, replica)
        return wanted


@contextlib.contextmanager
def running(system: LocalSystem) -> Iterator[LocalSystem]:
    """Up for the time of a block. Interrupted once it stops cleanly, twice it kills."""
    say(f"starting Qyzmet in {system.folder}")
    system.start()
    try:
        yield system
    finally:
        say("stopping")
        try:
            system.stop()
        except KeyboardInterrupt:
            alarm("interrupted again: killing what is left")
            system.kill()


def remove(folder: Path) -> None:
    """Delete what runs kept in a folder, Postgres's data too where it lies elsewhere."""
    with locked(folder):
        records.end_leftovers(folder / "pids")
        LocalPostgres(folder / "postgres", port=0).remove()
        shutil.rmtree(folder)
