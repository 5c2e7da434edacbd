"""`python -m deploy.observability`: write the dashboard, watch a local run, ask every panel.

`watch` starts Prometheus (Debian's package, or whatever is on the path) on the configuration of
the containers, with the addresses of a local run instead of names.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
import yaml

from deploy.local.environment import SERVICES, read_client_file
from deploy.observability.panels import dashboard, queries

HERE = Path(__file__).parent
DASHBOARD = HERE / "dashboard.json"
WAIT_S = 10.0
app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

Run = Annotated[Path, typer.Option(help="the folder of a local run")]
Server = Annotated[str, typer.Option(help="Prometheus")]


@app.command()
def write() -> None:
    """Write the dashboard that Grafana imports."""
    DASHBOARD.write_text(as_text(), encoding="utf-8")


@app.command()
def watch(folder: Run = Path(".run"), port: int = 9090) -> None:
    """Watch a local run until Ctrl-C; the data stays in its folder."""
    program = shutil.which("prometheus")
    if program is None:
        raise typer.BadParameter("prometheus is not on the path (a package of Debian)")
    configuration = write_local(folder)
    data = folder / "prometheus" / "data"
    place = [f"--config.file={configuration}", f"--storage.tsdb.path={data}"]
    address = f"--web.listen-address=127.0.0.1:{port}"
    raise typer.Exit(
        subprocess.run([program, *place, address, "--log.level=warn"], check=False).returncode
    )


@app.command()
def ask(server: Server = "http://127.0.0.1:9090") -> None:
    """Ask every panel's query; fails when one of them has no data."""
    empty = []
    for title, query in queries():
        found = answers(server, query)
        sys.stdout.write(f"{len(found):4}  {title}\n")
        if not found:
            empty.append(title)
    if empty:
        sys.stderr.write(f"no data: {', '.join(empty)}\n")
        raise typer.Exit(1)


def as_text() -> str:
    """The dashboard as it is written."""
    return json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"


def write_local(folder: Path) -> Path:
    """The configuration of the containers, for the processes of a local run."""
    given = yaml.safe_load((HERE / "prometheus.yaml").read_text(encoding="utf-8"))
    known = read_client_file(folder)
    given["rule_files"] = [str((HERE / "rules.yaml").resolve())]
    for job in given["scrape_configs"]:
        name = job["job_name"]
        if name not in SERVICES:
            raise ValueError(f"{name} is none of our services")
        del job["dns_sd_configs"]
        address = known[f"QYZMET_{name.upper()}_URL"].removeprefix("http://")
        job["static_configs"] = [{"targets": [address]}]
    target = folder / "prometheus" / "prometheus.yaml"
    target.parent.mkdir(exist_ok=True)
    target.write_text(yaml.safe_dump(given), encoding="utf-8")
    return target.resolve()


def answers(server: str, query: str) -> list[dict[str, Any]]:
    """What Prometheus answers now; NaN, which a panel shows as nothing, is no answer."""
    asked = httpx.get(f"{server}/api/v1/query", params={"query": query}, timeout=WAIT_S)
    asked.raise_for_status()
    found: list[dict[str, Any]] = asked.json()["data"]["result"]
    return [each for each in found if each["value"][1] != "NaN"]


if __name__ == "__main__":
    app()
