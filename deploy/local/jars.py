"""Kafka as a locked list of jars, fetched by name from Maven and trusted only by checksum."""

import contextlib
import hashlib
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from jgo.maven import MavenContext, PythonResolver
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from deploy.local.errors import CannotStart

LOCK = Path(__file__).with_name("kafka.jars")
FETCHERS = 8
ATTEMPTS = 3
ANSWER_WITHIN_S = 20
ALL_WITHIN_S = 600

# Fetches one jar into a folder of its own and says where it lies there.
Download = Callable[["Jar", Path], Path]


@dataclass(frozen=True)
class Jar:
    """One line of the lock: a Maven coordinate and the only content it may have."""

    sha256: str
    group: str
    artifact: str
    version: str
    classifier: str = ""

    @property
    def name(self) -> str:
        """The coordinate as Maven writes it."""
        parts = [self.group, self.artifact, self.version, self.classifier]
        return ":".join(part for part in parts if part)

    @property
    def file_name(self) -> str:
        """The name in the cache; the group keeps two artifacts of one name apart."""
        return self.name.replace(":", "_") + ".jar"


def read_lock(lock: Path = LOCK) -> list[Jar]:
    """The jars of the lock, in its order."""
    jars = []
    for number, line in enumerate(lock.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            sha256, coordinate = line.split()
            jars.append(Jar(sha256, *coordinate.split(":")))
        except (ValueError, TypeError) as error:
            raise CannotStart(f"{lock.name}, line {number} is not a jar: {line!r}") from error
    return jars


def cache_folder(chosen: Path | None = None) -> Path:
    """The per-user cache, made if need be; one on this machine serves every checkout."""
    spare = Path(tempfile.gettempdir()) / f"qyzmet-cache-{os.getuid()}"
    usual = Path(platformdirs.user_cache_dir("qyzmet"))
    for folder in (chosen,) if chosen else (usual, spare):
        # An odd HOME can make the usual place relative or one that we may not make.
        with contextlib.suppress(OSError):
            if folder.is_absolute() or chosen:
                (folder / "jars").mkdir(mode=0o700, parents=True, exist_ok=True)
                if folder.stat().st_uid == os.getuid():  # never a stranger's, in a common place
                    return folder / "jars"
    raise CannotStart(f"no folder for Kafka's jars: {chosen or spare} cannot be made")


def download(jar: Jar, folder: Path) -> Path:
    """Fetch one jar with jgo's Maven client, by name: its own resolution mixed versions."""
    context = MavenContext(
        resolver=PythonResolver(), repo_cache=folder, timeout=ANSWER_WITHIN_S, local_repos=[]
    )
    component = context.project(jar.group, jar.artifact).at_version(jar.version)
    return Path(component.artifact(classifier=jar.classifier).resolve())


def checksum(file: Path) -> str:
    """The SHA-256 of a file's content."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def fetch(jars: Sequence[Jar], folder: Path, fetcher: Download = download) -> list[Path]:
    """Every jar, present and verified; or CannotStart naming each that is not, and why."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [jar for jar in jars if not _is_good(folder / jar.file_name, jar)]
    faults = _fetch_missing(missing, folder, fetcher) if missing else []
    if faults:
        raise CannotStart("Kafka cannot start, its jars are not all there:\n" + "\n".join(faults))
    return [folder / jar.file_name for jar in jars]


def _is_good(file: Path, jar: Jar) -> bool:
    return file.exists() and checksum(file) == jar.sha256


def _fetch_missing(jars: Sequence[Jar], folder: Path, fetcher: Download) -> list[str]:
    """Fetch side by side; the faults found, one line each."""
    faults = []
    pool = ThreadPoolExecutor(FETCHERS, thread_name_prefix="jars")
    try:
        with _progress(len(jars)) as advance:
            tasks = {pool.submit(_fetch_one, jar, folder, fetcher): jar for jar in jars}
            for task in as_completed(tasks, timeout=ALL_WITHIN_S):
                fault = task.result()
                if fault:
                    faults.append(f"  {tasks[task].name}: {fault}")
                advance()
    except TimeoutError:
        faults.append(f"  not all could be fetched within {ALL_WITHIN_S} s")
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return sorted(faults)


def _fetch_one(jar: Jar, folder: Path, fetcher: Download) -> str | None:
    """Fetch, verify, and only then give the jar its name in the cache; what is wrong, or None."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as place:
        try:
            file = _try_repeatedly(jar, Path(place), fetcher)
        except (OSError, RuntimeError) as error:
            return f"could not be fetched: {error}"
        found = checksum(file)
        if found != jar.sha256:
            return f"has another content: SHA-256 {found}, the lock says {jar.sha256}"
        file.replace(folder / jar.file_name)
    return None


def _try_repeatedly(jar: Jar, place: Path, fetcher: Download) -> Path:
    """A network hiccup is repeated; an artifact that does not exist is not."""
    for attempt in range(1, ATTEMPTS):
        try:
            return fetcher(jar, place)
        except OSError:  # what a client of HTTP raises is one
            time.sleep(attempt)
    return fetcher(jar, place)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar on stderr while jars come; jgo's own log lines would break it."""
    logging.getLogger("jgo").setLevel(logging.ERROR)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("fetching Kafka's jars", total=total)
        yield lambda: bar.advance(task)
