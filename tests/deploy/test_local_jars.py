"""Kafka's jars: only what the lock says, or nothing starts."""

import hashlib
from pathlib import Path

import pytest

from deploy.local.errors import CannotStart
from deploy.local.jars import Jar, fetch, read_lock

CONTENT = b"the right content"
GOOD = Jar(hashlib.sha256(CONTENT).hexdigest(), "org.example", "good", "1.0")


class Server:
    """Stands in for Maven's repository, which is not ours, and counts what is asked of it."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.asked: list[str] = []

    def __call__(self, jar: Jar, folder: Path) -> Path:
        self.asked.append(jar.name)
        file = folder / jar.file_name
        file.write_bytes(self.content)
        return file


def unreachable(jar: Jar, folder: Path) -> Path:
    raise RuntimeError("no answer")


def test_a_jar_is_fetched_once_and_then_taken_from_the_cache(tmp_path: Path) -> None:
    server = Server(CONTENT)
    first = fetch([GOOD], tmp_path, server)
    second = fetch([GOOD], tmp_path, server)
    assert first == second
    assert first[0].read_bytes() == CONTENT
    assert server.asked == ["org.example:good:1.0"]


def test_another_content_is_refused_by_name_and_not_kept(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"org\.example:good:1\.0: has another content"):
        fetch([GOOD], tmp_path, Server(b"forged"))
    assert list(tmp_path.iterdir()) == []


def test_a_spoiled_cache_is_fetched_anew(tmp_path: Path) -> None:
    (tmp_path / GOOD.file_name).write_bytes(b"spoiled on the disk")
    assert fetch([GOOD], tmp_path, Server(CONTENT))[0].read_bytes() == CONTENT


def test_what_cannot_be_fetched_is_named_with_the_reason(tmp_path: Path) -> None:
    other = Jar("0" * 64, "org.example", "other", "2.0")
    with pytest.raises(CannotStart) as refused:
        fetch([GOOD, other], tmp_path, unreachable)
    assert "org.example:good:1.0: could not be fetched: no answer" in str(refused.value)
    assert "org.example:other:2.0: could not be fetched: no answer" in str(refused.value)


def test_a_broken_lock_is_refused_with_its_line(tmp_path: Path) -> None:
    lock = tmp_path / "kafka.jars"
    lock.write_text(f"{GOOD.sha256}  {GOOD.name}\nnot a jar at all\n")
    with pytest.raises(CannotStart, match="line 2 is not a jar"):
        read_lock(lock)


def test_the_lock_holds_one_version_of_kafka_and_a_logger_that_fits() -> None:
    jars = {jar.artifact: jar for jar in read_lock()}
    kafka = {jar.version for jar in jars.values() if jar.group == "org.apache.kafka"}
    assert kafka == {"4.4.0"}
    assert jars["log4j-slf4j-impl"].version == jars["log4j-core"].version
    assert jars["slf4j-api"].version.startswith("1.")  # log4j-slf4j-impl speaks slf4j 1
