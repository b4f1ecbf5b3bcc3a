"""The data sets that ship: two time series, a text and names, each a gzip file beside this module.

README.md in this folder gives their provenance and checksums. Every call reads the file anew
and returns an array of its own, so that a caller may change it.
"""

from __future__ import annotations

import gzip
from importlib import resources

import numpy as np
import numpy.typing as npt

_SEATTLE = "seattle_temperatures.csv.gz"
_BRENT = "brent_crude_oil.csv.gz"
_GENESIS = "genesis.txt.gz"
_NAMES = "names.csv.gz"


def seattle_temperatures() -> npt.NDArray[np.float64]:
    """Typical temperature at Seattle-Tacoma airport for each hour of a year.

    These are NOAA's 30-year averages, not the weather of one year: a smooth series with a daily
    and a yearly cycle. The hours are those of `seattle_hours()`. The first 8,327 rows make 8,317
    examples with windows of length 10.

    Result: (8759, 1) float64, degrees Fahrenheit, from 37.5 to 75.9, none missing.

    >>> seattle_temperatures()[:8327].shape
    (8327, 1)
    >>> seattle_temperatures()[:3, 0].tolist()
    [39.4, 39.2, 39.0]
    """
    return _values(_SEATTLE)


def seattle_hours() -> npt.NDArray[np.datetime64]:
    """Hour of each row of `seattle_temperatures()`, dated 2010, on the station's local clock.

    Result: (8759,) datetime64[h], every hour of the year but 2010-03-14T03, which has no row.

    >>> seattle_hours()[[0, -1]].astype(str).tolist()
    ['2010-01-01T00', '2010-12-31T23']
    """
    stamps = [stamp.replace("/", "-") for stamp in _column(_SEATTLE, 0)]
    return np.array(stamps, dtype="datetime64[h]")


def brent_crude_oil() -> npt.NDArray[np.float64]:
    """Daily spot price of Brent crude oil on trading days, 1987-05-20 to 2019-08-26.

    The days are those of `brent_days()`; days without trade have no row.

    Result: (8195, 1) float64, US dollars per barrel, from 9.10 to 143.95, none missing.

    >>> prices = brent_crude_oil()
    >>> prices.shape, prices[0, 0].item(), prices.max().item()
    ((8195, 1), 18.63, 143.95)
    """
    return _values(_BRENT)


def brent_days() -> npt.NDArray[np.datetime64]:
    """Day of each row of `brent_crude_oil()`.

    Result: (8195,) datetime64[D], rising, Mondays to Fridays.

    >>> brent_days()[[0, -1]].astype(str).tolist()
    ['1987-05-20', '2019-08-26']
    """
    dates = [date.split("/") for date in _column(_BRENT, 0)]
    return np.array([f"{y}-{m}-{d:0>2}" for m, d, y in dates], dtype="datetime64[D]")


def genesis() -> str:
    """Book of Genesis in the King James Version, one verse to a line, without verse numbers.

    Result: str of 196,818 ASCII characters, 60 of them different; 1,533 lines.

    >>> text = genesis()
    >>> text[:54], len(set(text))
    ('In the beginning God created the heaven and the earth.', 60)
    """
    return _read(_GENESIS)


def names() -> dict[str, list[str]]:
    """Family names by language: 300 each in eight languages, no name in two of them.

    Result: {"Dutch": ["Aarts", ...], "English": ..., "Finnish", "French", "German", "Italian",
    "Polish", "Spanish"}; 3 to 14 letters, in their own spelling.

    >>> {language: len(several) for language, several in names().items()}["Finnish"]
    300
    >>> names()["Italian"][:2]
    ['Adinolfi', 'Agazzi']
    """
    by_language: dict[str, list[str]] = {}
    for language, name in zip(_column(_NAMES, 0), _column(_NAMES, 1), strict=True):
        by_language.setdefault(language, []).append(name)
    return by_language


def _values(name: str) -> npt.NDArray[np.float64]:
    return np.array(_column(name, 1), dtype=np.float64).reshape(-1, 1)


def _column(name: str, index: int) -> list[str]:
    rows = _read(name).splitlines()[1:]
    return [row.split(",")[index] for row in rows]


def _read(name: str) -> str:
    packed = resources.files("tinygrad_rnn.data").joinpath(name).read_bytes()
    return gzip.decompress(packed).decode("utf-8")
