"""Synthetic applications for `employment-referral`: one person each, with well-formed IINs."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice
from typing import Any

from shared.iin import make_synthetic_iin

PROCEDURE = "employment-referral"
RESULT_KINDS = (
    "employment",
    "public-works",
    "vocational-training",
    "social-workplace",
    "youth-practice",
    "career-guidance",
)
FIRST_BIRTH = date(1961, 1, 1)
DAYS_OF_BIRTH = 15_000
PEOPLE_A_DAY = 40
STREETS = ("Abai", "Kenesary", "Respublika", "Sauran", "Turan", "Syganak")


def batches(first: int, count: int, size: int) -> list[bytes]:
    """Bodies for POST /applications/batch: `count` people from number `first` on."""
    people = islice(_people(), first, first + count)
    keyed = [
        {"key": f"bench-{first + place}", "application": _application(iin, birth, first + place)}
        for place, (iin, birth) in enumerate(people)
    ]
    groups = (keyed[start : start + size] for start in range(0, len(keyed), size))
    return [json.dumps({"applications": group}).encode() for group in groups]


def _people() -> Iterator[tuple[str, date]]:
    """Everybody there could be, always in the same order: a number stands for a person."""
    for serial in range(PEOPLE_A_DAY):
        for day in range(DAYS_OF_BIRTH):
            birth = FIRST_BIRTH + timedelta(days=day)
            iin = make_synthetic_iin(birth, male=serial % 2 == 0, serial=serial)
            if iin is not None:
                yield iin, birth


def _application(iin: str, birth: date, number: int) -> dict[str, Any]:
    street = STREETS[number % len(STREETS)]
    return {
        "procedure": PROCEDURE,
        "result_kind": RESULT_KINDS[number % len(RESULT_KINDS)],
        "channel": "office",
        "applicant": {
            "iin": iin,
            "surname": f"Synthetic{number}",
            "given_name": f"Person{number * 7919 % 99_991}",
            "patronymic": f"Of{number * 104_729 % 99_991}",
            "birth_date": birth.isoformat(),
            "phone": f"+7701{number % 10_000_000:07d}",
            "address": f"{street} {number % 240 + 1}, {number * 31 % 180 + 1}",
            "language": ("kk", "ru")[number % 2],
        },
        "documents": [
            {"kind": "identity-card", "state": "provided", "content": f"{number:064x}"},
        ],
        "synthetic": True,
    }
