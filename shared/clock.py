"""The one place that asks what time it is (D16). Pure code gets the time handed in."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

DEPARTMENT_ZONE = ZoneInfo("Asia/Almaty")
"""Legal time of the city: +06:00 until 2024-02-29, +05:00 since."""


def now() -> datetime:
    """This instant, in UTC, to the millisecond (what an event's time can carry)."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
