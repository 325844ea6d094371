"""HTTP dates, written and read (RFC 9110 section 5.6.7).

Theory: a date in a field is a whole second of UTC in one of three forms; the first is written, all
three are read.

Rules: what is no date is None, and the field that has it counts as absent. A year of two digits
that would be more than fifty years ahead is of the century before. It does not know the time.
"""

import re
from datetime import UTC, datetime
from typing import Final

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip
_MONTH: Final = "(?P<month>" + "|".join(_MONTHS) + ")"
_TIME: Final = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_FORMS: Final = (
    re.compile(rf"[A-Z][a-z]{{2}}, (?P<day>\d\d) {_MONTH} (?P<year>\d{{4}}) {_TIME} GMT", re.ASCII),
    re.compile(rf"[A-Z][a-z]{{5,8}}, (?P<day>\d\d)-{_MONTH}-(?P<year>\d\d) {_TIME} GMT", re.ASCII),
    re.compile(rf"[A-Z][a-z]{{2}} {_MONTH} (?P<day>[\d ]\d) {_TIME} (?P<year>\d{{4}})", re.ASCII),
)
"""IMF-fixdate, the form of RFC 850, and that of asctime."""
_LAST_SECOND: Final = 253_402_300_799
"""The last second of the year 9999, beyond which a date has no form."""


def format_date(seconds: int) -> str:
    """The date of a time in seconds since 1970, like `Sun, 06 Nov 1994 08:49:37 GMT`; a time that
    has no such form is taken for the nearest that has.
    """
    at = datetime.fromtimestamp(min(max(0, seconds), _LAST_SECOND), UTC)
    return (
        f"{_DAYS[at.weekday()]}, {at.day:02} {_MONTHS[at.month - 1]} {at.year:04} "
        f"{at.hour:02}:{at.minute:02}:{at.second:02} GMT"
    )


def parse_date(text: str, this_year: int = 2026) -> int | None:
    """The seconds since 1970 of a date in any of the three forms, or None; a year of two digits is
    of the century that puts it less than fifty years behind `this_year`.
    """
    for form in _FORMS:
        match = form.fullmatch(text)
        if match is not None:
            break
    else:
        return None
    year = int(match["year"])
    if len(match["year"]) == 2:
        year += this_year // 100 * 100
        year -= 100 if year > this_year + 50 else 0
    second = min(int(match["second"]), 59)  # a leap second
    month, day = _MONTHS.index(match["month"]) + 1, int(match["day"])
    try:
        at = datetime(year, month, day, int(match["hour"]), int(match["minute"]), second, 0, UTC)
    except ValueError:
        return None
    return int(at.timestamp())
