"""From one release to the next and back, while 20 applications come in each second.

The next release is made here from the present image. It says another version, and it tells a
second version of `ExecutorAssigned`, which also names the clause; it reads the first as that.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from deploy.images.names import IMAGES
from deploy.local.environment import SERVICES, STAGES
from deploy.site.rolling import roll
from tests.compose.composed import ROOT, Composed, must
from tests.compose.conftest import only_in_full
from tests.compose.load import ended, lodging

pytestmark = [pytest.mark.compose, pytest.mark.timeout(2400), only_in_full]
PRESENT, NEXT = "1.0.0", "1.1.0"
NEXT_IMAGE = "qyzmet/qyzmet:next"
FIRST, SECOND = (f"qyzmet.routing.executor-assigned.v{number}" for number in (1, 2))
TELLER_LAST = ("casebook", "notify", "signing", "executor", "intake", "routing")
"""All read what all tell. Who tells the new event is replaced last, and back first."""
# 3: what the release before folded says what its version of the event said.
FOLD_ANEW = """
rebuild() { python3 -m services.program rebuild "$@" --reason "the next release" --apply; }
rebuild run || [ $? = 3 ]
rebuild swap --differing --yes
"""
CHANGES: Mapping[str, Sequence[tuple[str, str]]] = {
    "shared/version.py": [(f'"{PRESENT}"', f'"{NEXT}"')],
    "shared/events/routing.py": [
        ("    assigned_at: Instant\n", "    assigned_at: Instant\n    basis: Clause\n"),
        ("import OfficeId,", "import Clause, OfficeId,"),
    ],
    "shared/events/catalogue.py": [(FIRST, SECOND)],
    "shared/events/upcasts.py": [
        (
            "]]] = {}",
            f"""]]] = {{"{FIRST}": ("{SECOND}", lambda data: {{**data, "basis": "R3 5.2"}})}}""",
        )
    ],
    "services/routing/rules.py": [
        (
            "        assigned_at=known.now,\n",
            '        assigned_at=known.now,\n        basis="R3 5.2",\n',
        )
    ],
}


@pytest.fixture
def following(tmp_path: Path) -> str:
    """The image of the next release."""
    for name, changes in CHANGES.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        for old, new in changes:
            assert text.count(old) == 1, (name, old)
            text = text.replace(old, new)
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    (tmp_path / "Dockerfile").write_text(
        f"FROM {IMAGES['QYZMET_IMAGE']}\n"
        f'LABEL org.opencontainers.image.version="{NEXT}"\n'
        "COPY services /opt/qyzmet/services\nCOPY shared /opt/qyzmet/shared\n"
    )
    must(["docker", "build", "--quiet", "--tag", NEXT_IMAGE, str(tmp_path)])
    return NEXT_IMAGE


def test_the_next_release_and_back(opened: Composed, following: str) -> None:
    present = IMAGES["QYZMET_IMAGE"]
    assert versions(opened) == {PRESENT}
    with lodging(opened) as load:
        change(opened, following, TELLER_LAST)
        assert versions(opened) == {NEXT}
        change(opened, present, tuple(reversed(TELLER_LAST)))
    assert versions(opened) == {PRESENT}
    assert load.errors == []
    opened.until_issued(load.cases)
    assert counted(opened, f"routing.journal WHERE event_type = '{FIRST}'") > 0
    assert counted(opened, f"routing.journal WHERE event_type = '{SECOND}'") > 0
    for stage in STAGES:
        assert counted(opened, f"{stage}.cases WHERE parked IS NOT NULL") == 0, stage
    # Journals, log and read side are compared by the release that knows all that stands in them,
    # once its casebook has read it all.
    opened.choose("QYZMET_IMAGE", following)
    roll(opened.program(), "casebook")
    opened.inside("casebook", "sh", "-c", FOLD_ANEW)
    ended(opened, load)
    opened.choose("QYZMET_IMAGE", present)
    roll(opened.program(), "casebook")


def change(composed: Composed, image: str, order: Sequence[str]) -> None:
    """As docs/how-to/run-with-docker.md says it."""
    composed.choose("QYZMET_IMAGE", image)
    composed.run("set-up-databases")
    composed.run("set-up-log")
    for name in order:
        roll(composed.program(), name)


def versions(composed: Composed) -> set[str]:
    """What the services say of themselves, through the edge."""
    return {
        composed.client.get(f"/{name}/openapi.json").json()["info"]["version"] for name in SERVICES
    }


def counted(composed: Composed, rows: str) -> int:
    """How many rows there are."""
    return int(composed.asked(f"SELECT count(*) FROM {rows}"))
