"""Alipay's times: China time without an offset, whatever a field's name (``gmt_…``) says."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

#: China has had one zone and no summer time since 1991; no time zone database is needed.
CHINA_TIME = timezone(timedelta(hours=8), "UTC+8")
_AHEAD = timedelta(hours=8)


def parse_china_time(text: str | None) -> datetime | None:
    """Reads one of Alipay's times as aware UTC.

    :param text: ``yyyy-MM-dd HH:mm:ss``, in refunds with milliseconds.
    :returns: ``None`` where there is none, or none that can be read: no payment is lost over a
        time that is written oddly.
    """
    if not text:
        return None
    try:
        # Reckoned by hand: astimezone takes several times as long.
        return (datetime.fromisoformat(text) - _AHEAD).replace(tzinfo=timezone.utc)
    except (ValueError, OverflowError):
        return None


def format_china_time(when: datetime) -> str:
    """Writes an aware time as Alipay does, to the second.

    :param moment: in any zone; a naive one would be taken for the host's.
    """
    return when.astimezone(CHINA_TIME).replace(tzinfo=None).isoformat(" ", "seconds")
