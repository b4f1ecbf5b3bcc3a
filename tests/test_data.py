"""The data sets are what their README says, and windows, ids and batches hold the right values."""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import FrozenInstanceError
from importlib import resources
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_rnn import data

FILES = [
    "brent_crude_oil.csv.gz",
    "genesis.txt.gz",
    "names.csv.gz",
    "seattle_temperatures.csv.gz",
]


def shipped(name: str) -> bytes:
    """Bytes of a file in the data folder."""
    return resources.files("tinygrad_rnn.data").joinpath(name).read_bytes()


# The data sets


def test_readme_describes_exactly_the_files_that_ship() -> None:
    """No compressed file ships without a section of the README, and no section lacks its file."""
    folder = resources.files("tinygrad_rnn.data")
    present = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".gz"))
    described = re.findall(r"(?m)^## (\S+)$", shipped("README.md").decode())
    assert present == sorted(described) == FILES


@pytest.mark.parametrize("name", FILES)
def test_content_has_the_checksum_and_the_sizes_of_the_readme(name: str) -> None:
    """The README's sha256 is that of the uncompressed file, and both of its sizes are right."""
    readme, packed = shipped("README.md").decode(), shipped(name)
    content = gzip.decompress(packed)
    section = readme.split(f"## {name}\n")[1]
    (row,) = re.findall(rf"(?m)^\| `{re.escape(name)}` .*$", readme)
    assert section.split("`")[1] == hashlib.sha256(content).hexdigest()
    assert row.endswith(f"| {len(packed):,} bytes | {len(content):,} bytes |")


@pytest.mark.parametrize("name", FILES)
def test_compressed_files_carry_no_time_and_no_name(name: str) -> None:
    """Flags and time stamp of the gzip header are 0, so that equal content makes equal files."""
    assert shipped(name)[3:8] == bytes(5)


def test_names_are_three_hundred_in_each_of_eight_languages() -> None:
    """Letters alone, 3 to 14 of them, sorted, and none under two languages."""
    by_language = data.names()
    every = [name for several in by_language.values() for name in several]
    assert list(by_language) == sorted(by_language)
    assert [len(several) for several in by_language.values()] == [300] * 8
    assert len(set(every)) == 2400
    assert all(name.isalpha() and 3 <= len(name) <= 14 for name in every)
    assert all(several == sorted(several) for several in by_language.values())


@given(st.integers(1, 40), st.integers(1, 10), st.integers(0, 10))
def test_bptt_windows_count_each_step_once(T: int, k1: int, more: int) -> None:
    """Fresh steps follow one another from 0 to T; each window starts at a state that was kept."""
    windows, k2 = list(data.bptt_windows(T, k1, k1 + more)), k1 + more
    fresh = [t for w in windows for t in range(w.fresh, w.end)]
    assert fresh == list(range(T))
    assert windows[0].start == 0
    for window, following in pairwise(windows):
        assert window.start <= window.carry <= window.end
        assert following.start == window.carry
        assert following.end - following.start <= k2
    for window in windows[:-1]:
        assert window.end - window.fresh == k1
        assert window.end - window.start == min(window.end, k2)


@pytest.mark.parametrize(("T", "k1", "k2"), [(0, 1, 1), (5, 0, 1), (5, 3, 2), (5, -1, None)])
def test_windows_that_cannot_be_are_refused(T: int, k1: int, k2: int | None) -> None:
    """No step, or k1 out of range: the message has the numbers."""
    with pytest.raises(ValueError, match=f"are {T}, {k1}, "):
        list(data.bptt_windows(T, k1, k2))


def test_data_sets_stay_small() -> None:
    """All shipped files together take less than 140 kB."""
    assert sum(len(shipped(name)) for name in FILES) < 140_000


def test_seattle_temperatures_are_the_hours_of_a_year_in_fahrenheit() -> None:
    """8,759 hourly values in order, from 37.5 to 75.9, none missing."""
    temperatures = data.seattle_temperatures()
    assert temperatures.shape == (8759, 1)
    assert temperatures.dtype == np.float64
    assert (temperatures[0, 0], temperatures[8326, 0], temperatures[-1, 0]) == (39.4, 40.0, 39.6)
    assert (temperatures.min(), temperatures.max()) == (37.5, 75.9)


def test_seattle_hours_lack_one_hour_of_2010() -> None:
    """The rows are every hour of the calendar of 2010 in order, but 14 March, 3 o'clock."""
    hours = data.seattle_hours()
    year = np.arange("2010-01-01T00", "2011-01-01T00", dtype="datetime64[h]")
    np.testing.assert_array_equal(hours, year[year != np.datetime64("2010-03-14T03")])


def test_seattle_temperatures_are_averages_of_many_years() -> None:
    """Being climate normals, the hottest hour of a day moves by at most 0.7 degrees in a day."""
    temperatures, days = data.seattle_temperatures(), data.seattle_hours().astype("datetime64[D]")
    hottest = [temperatures[days == day].max() for day in np.unique(days)]
    assert np.abs(np.diff(hottest)).max() == pytest.approx(0.7)


def test_brent_crude_oil_is_a_price_for_each_trading_day() -> None:
    """8,195 prices, lowest in December 1998 and highest in July 2008, none missing."""
    prices, days = data.brent_crude_oil(), data.brent_days()
    assert prices.shape == (8195, 1)
    assert prices.dtype == np.float64
    assert np.isfinite(prices).all()
    assert (prices[0, 0], prices[-1, 0]) == (18.63, 58.64)
    assert (prices.min(), str(days[prices.argmin()])) == (9.1, "1998-12-10")
    assert (prices.max(), str(days[prices.argmax()])) == (143.95, "2008-07-03")


def test_brent_days_rise_and_are_never_at_a_weekend() -> None:
    """From 1987-05-20 to 2019-08-26 in order, one to six days apart, Mondays to Fridays."""
    days = data.brent_days()
    assert days.dtype == np.dtype("datetime64[D]")
    assert days.shape == (8195,)
    assert (str(days[0]), str(days[-1])) == ("1987-05-20", "2019-08-26")
    assert np.unique(np.diff(days).astype(int)).tolist() == [1, 2, 3, 4, 5, 6]
    assert np.is_busday(days).all()


def test_genesis_is_one_verse_to_a_line_without_numbers() -> None:
    """1,533 lines of ASCII with 60 kinds of characters, no digit and no double space."""
    text = data.genesis()
    verses = text.splitlines()
    assert (len(text), len(set(text)), len(verses)) == (196_818, 60, 1533)
    assert text.isascii()
    assert text.endswith("\n")
    assert not re.search(r"\d|  |\n\n|\t|\r", text)
    assert verses[2] == "And God said, Let there be light: and there was light."
    assert verses[-1].endswith("and he was put in a coffin in Egypt.")
    assert (min(map(len, verses)), max(map(len, verses))) == (25, 319)


@pytest.mark.parametrize("load", [data.seattle_temperatures, data.brent_crude_oil])
def test_each_call_gives_an_array_of_its_own(load: Any) -> None:
    """Writing into one result changes no other."""
    first = load()
    first[:] = 0
    assert load().all()


# Windows


def test_notes_series_makes_8317_examples() -> None:
    """8,327 values make 8,317 windows of length 10, the last of which predicts the last value."""
    series = data.seattle_temperatures()[:8327]
    windows, targets = data.sliding_windows(series, 10)
    assert windows.shape == (8317, 10, 1)
    assert targets.shape == (8317, 1)
    np.testing.assert_array_equal(windows[-1], series[8316:8326])
    np.testing.assert_array_equal(targets[-1], series[8326])


@settings(deadline=None)
@given(
    hnp.arrays(np.int64, st.one_of(hnp.array_shapes(min_dims=1, max_dims=2, min_side=2))),
    st.data(),
)
def test_window_i_predicts_element_i_plus_length(
    series: npt.NDArray[np.int64], draw: st.DataObject
) -> None:
    """For any series and length, example i is elements i to i + length - 1, then i + length."""
    length = draw.draw(st.integers(1, len(series) - 1))
    windows, targets = data.sliding_windows(series, length)
    assert len(windows) == len(targets) == len(series) - length
    for i, (window, target) in enumerate(zip(windows, targets, strict=True)):
        np.testing.assert_array_equal(window, series[i : i + length])
        np.testing.assert_array_equal(target, series[i + length])


def test_windows_of_several_features_keep_them_last() -> None:
    """A series (N, I) makes windows (N - length, length, I), batch first."""
    series = np.array([[1, 10], [2, 20], [3, 30], [4, 40]])
    windows, targets = data.sliding_windows(series, 2)
    assert windows.tolist() == [[[1, 10], [2, 20]], [[2, 20], [3, 30]]]
    assert targets.tolist() == [[3, 30], [4, 40]]


def test_windows_of_a_flat_series_have_no_feature_axis() -> None:
    """A series (N,) makes windows (N - length, length) and targets (N - length,)."""
    windows, targets = data.sliding_windows([1, 2, 3, 4], 3)
    assert windows.tolist() == [[1, 2, 3]]
    assert targets.tolist() == [4]


@pytest.mark.parametrize("shape", [(20,), (20, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_windows_are_read_only_views(shape: tuple[int, ...], dtype: type) -> None:
    """Windows and targets share the series' memory and dtype; the series alone can be written."""
    series: npt.NDArray[Any] = np.zeros(shape, dtype)
    windows, targets = data.sliding_windows(series, 4)
    for view in (windows, targets):
        assert view.dtype == dtype
        assert np.shares_memory(view, series)
        with pytest.raises(ValueError, match="read-only"):
            view[0] = 1
    series[4] = 7
    assert (targets[0] == 7).all()
    assert (windows[1, -1] == 7).all()


def test_windows_need_length_plus_one_elements() -> None:
    """A series as long as the window has no target: the error names both numbers."""
    with pytest.raises(ValueError, match=r"10 elements.*length 10 and its target need 11"):
        data.sliding_windows(np.zeros((10, 1)), 10)
    windows, _ = data.sliding_windows(np.zeros((11, 1)), 10)
    assert windows.shape == (1, 10, 1)


@pytest.mark.parametrize("length", [0, -1])
def test_windows_hold_at_least_one_element(length: int) -> None:
    """A length below 1 is a ValueError that says which it was."""
    with pytest.raises(ValueError, match=f"length is {length}: it must be at least 1"):
        data.sliding_windows(np.zeros(5), length)


def test_window_length_is_an_integer() -> None:
    """A NumPy integer is a length, a float is not."""
    windows, _ = data.sliding_windows(np.zeros(5), np.int32(2))  # type: ignore[arg-type]
    assert windows.shape == (3, 2)
    with pytest.raises(TypeError, match="float"):
        data.sliding_windows(np.zeros(5), 2.0)  # type: ignore[arg-type]


def test_windows_refuse_python_objects() -> None:
    """An object array is a TypeError, since no arithmetic is sure to work on it."""
    with pytest.raises(TypeError, match="Python objects"):
        data.sliding_windows(np.array([1, None, 3, 4]), 2)


@pytest.mark.parametrize("shape", [(), (5, 2, 2)])
def test_windows_need_one_or_two_axes(shape: tuple[int, ...]) -> None:
    """A series of another number of axes is a ValueError that shows its shape."""
    with pytest.raises(ValueError, match=re.escape(f"shape {shape}: it must be (N,) or (N, I)")):
        data.sliding_windows(np.zeros(shape), 1)


# Characters


def test_vocabulary_is_sorted_without_repetition() -> None:
    """Ids follow the characters' order, not that of the text."""
    vocabulary = data.CharVocabulary("banana\n")
    assert vocabulary.characters == "\nabn"
    assert len(vocabulary) == 4
    assert vocabulary.encode("ban\n").tolist() == [2, 1, 3, 0]


@settings(deadline=None)
@given(st.text(min_size=1))
def test_decode_undoes_encode(text: str) -> None:
    """Any text comes back from its ids, which are (N,) int64 from 0 to V - 1."""
    vocabulary = data.CharVocabulary(text)
    ids = vocabulary.encode(text)
    assert ids.dtype == np.int64
    assert ids.shape == (len(text),)
    assert [vocabulary.characters[i] for i in ids] == list(text)
    assert vocabulary.decode(ids) == text


def test_every_character_survives_the_round_trip() -> None:
    """The null character, characters beyond 16 bits and lone surrogates have ids too."""
    text = "a\0\U0001f40d\ud800"
    vocabulary = data.CharVocabulary(text)
    assert vocabulary.decode(vocabulary.encode(text)) == text


def test_genesis_has_sixty_ids() -> None:
    """The shipped text is encoded with the ids 0 to 59, newline first, and comes back whole."""
    text = data.genesis()
    vocabulary = data.CharVocabulary(text)
    ids = vocabulary.encode(text)
    np.testing.assert_array_equal(np.unique(ids), np.arange(60))
    assert vocabulary.encode("\n").tolist() == [0]
    assert vocabulary.decode(ids) == text


def test_empty_text_has_no_ids() -> None:
    """Encoding nothing gives (0,) int64, and decoding nothing gives an empty text."""
    vocabulary = data.CharVocabulary("abc")
    assert vocabulary.encode("").shape == (0,)
    assert vocabulary.encode("").dtype == np.int64
    assert vocabulary.decode([]) == ""
    assert vocabulary.one_hot([]).shape == (0, 3)


def test_vocabularies_of_the_same_characters_are_equal_and_fixed() -> None:
    """A vocabulary is a value: equal by its characters, usable as a key, never changed."""
    vocabulary = data.CharVocabulary("abba")
    assert vocabulary == data.CharVocabulary("ab")
    assert hash(vocabulary) == hash(data.CharVocabulary("ab"))
    assert vocabulary != data.CharVocabulary("abc")
    with pytest.raises(FrozenInstanceError):
        vocabulary.characters = "xyz"  # type: ignore[misc]


def test_vocabulary_needs_a_character() -> None:
    """An empty text makes no vocabulary."""
    with pytest.raises(ValueError, match="text is empty"):
        data.CharVocabulary("")


@pytest.mark.parametrize("unknown", ["!", "c", "\U0001f40d", "\0"])
def test_unknown_character_is_named_with_its_position(unknown: str) -> None:
    """The first character that has no id, and where it stands, are in the error."""
    wanted = re.escape(f"character {unknown!r} at position 2")
    with pytest.raises(ValueError, match=wanted):
        data.CharVocabulary("abd").encode(f"ab{unknown}a?")


@pytest.mark.parametrize("method", ["decode", "one_hot"])
@pytest.mark.parametrize("wrong", [-1, 3, 2**63 - 1])
def test_ids_outside_the_vocabulary_are_index_errors(method: str, wrong: int) -> None:
    """An id below 0 or from V upwards is refused by name, never wrapped around."""
    vocabulary = data.CharVocabulary("abc")
    with pytest.raises(IndexError, match=f"{method}: id {wrong} is out of range.*from 0 to 2"):
        getattr(vocabulary, method)([0, wrong, 1])


@pytest.mark.parametrize("method", ["decode", "one_hot"])
@pytest.mark.parametrize("ids", [[0.0, 1.0], [True, False], ["a"]])
def test_ids_are_integers(method: str, ids: list[Any]) -> None:
    """Ids of a float, boolean or text dtype are a TypeError."""
    with pytest.raises(TypeError, match=f"{method}: ids has dtype"):
        getattr(data.CharVocabulary("abc"), method)(ids)


@pytest.mark.parametrize("ids", [np.int64(1), np.zeros((2, 3), int)])
def test_decode_takes_one_sequence(ids: Any) -> None:
    """Ids of another number of axes are a ValueError, not a text with the rows run together."""
    with pytest.raises(ValueError, match=r"must be \(N,\)"):
        data.CharVocabulary("abc").decode(ids)


@pytest.mark.parametrize("shape", [(), (4,), (2, 5), (0, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8])
def test_one_hot_is_a_row_of_the_identity(shape: tuple[int, ...], dtype: type) -> None:
    """one_hot(ids) equals eye(V)[ids], of shape ids.shape + (V,) and the dtype asked for."""
    vocabulary = data.CharVocabulary("abcdef")
    ids = np.random.default_rng(0).integers(0, 6, shape)
    hot = vocabulary.one_hot(ids, dtype=dtype)
    assert hot.dtype == dtype
    assert hot.shape == (*shape, 6)
    np.testing.assert_array_equal(hot, np.eye(6)[ids])


def test_one_hot_is_float64_unless_told() -> None:
    """The default dtype is float64, whatever integer the ids are."""
    assert data.CharVocabulary("abc").one_hot(np.array([1], np.uint8)).dtype == np.float64


# Batches


@settings(deadline=None)
@given(st.integers(0, 30), st.integers(1, 12), st.booleans(), st.booleans())
def test_batches_cover_each_row_exactly_once(
    rows: int, size: int, shuffled: bool, drop_last: bool
) -> None:
    """All batches but the last are full, and no row comes twice or, unless dropped, never."""
    rng = np.random.default_rng(rows) if shuffled else None
    found = [
        batch
        for (batch,) in data.batches(np.arange(rows), batch_size=size, rng=rng, drop_last=drop_last)
    ]
    seen = np.concatenate([np.arange(0), *found])
    assert len(set(seen.tolist())) == len(seen) == (rows // size * size if drop_last else rows)
    assert all(len(batch) == size for batch in found[:-1])
    assert all(1 <= len(batch) <= size for batch in found[-1:])
    if not shuffled:
        np.testing.assert_array_equal(seen, np.arange(len(seen)))


@pytest.mark.parametrize("shuffled", [False, True])
def test_rows_of_all_arrays_stay_together(shuffled: bool) -> None:
    """Row i of one array always comes with row i of the others."""
    rng = np.random.default_rng(0) if shuffled else None
    x = np.arange(10)
    parts = list(data.batches(x, x[:, None] * [1, 2], [str(i) for i in x], batch_size=3, rng=rng))
    assert [len(part) for part in parts] == [3] * 4
    for numbers, pairs, words in parts:
        np.testing.assert_array_equal(pairs, np.stack([numbers, 2 * numbers], axis=1))
        assert words.tolist() == [str(i) for i in numbers]


def test_same_seed_gives_the_same_order() -> None:
    """Equal generators shuffle equally, another seed differently, and each pass anew."""

    def order(rng: np.random.Generator) -> list[int]:
        passes = data.batches(np.arange(50), batch_size=8, rng=rng)
        return [int(row) for (batch,) in passes for row in batch]

    rng = np.random.default_rng(1)
    first, second = order(rng), order(rng)
    assert first == order(np.random.default_rng(1))
    assert first != second
    assert first != order(np.random.default_rng(2))
    assert first != list(range(50))


def test_order_is_drawn_at_the_call() -> None:
    """A generator used after the call and before the first batch changes nothing."""
    rng, twin = np.random.default_rng(3), np.random.default_rng(3)
    waiting = data.batches(np.arange(20), batch_size=20, rng=rng)
    rng.random(5)
    np.testing.assert_array_equal(next(waiting)[0], twin.permutation(20))


def test_batches_in_order_are_views() -> None:
    """Without shuffling nothing is copied; with it a batch owns its rows and can be written."""
    windows, targets = data.sliding_windows(np.arange(100.0)[:, None], 10)
    for x, y in data.batches(windows, targets, batch_size=32):
        assert np.shares_memory(x, windows)
        assert np.shares_memory(y, targets)
    for x, y in data.batches(windows, targets, batch_size=32, rng=np.random.default_rng(0)):
        assert not np.shares_memory(x, windows)
        assert x.flags.writeable
        np.testing.assert_array_equal(x[:, -1] + 1, y)


def test_batches_need_arrays_of_one_length() -> None:
    """Different lengths are a ValueError that names both and the array at fault."""
    with pytest.raises(ValueError, match=r"array 1 has 4 rows, but array 0 has 5"):
        data.batches(np.zeros(5), np.zeros(4), batch_size=2)


@pytest.mark.parametrize("size", [0, -3])
def test_batches_hold_at_least_one_row(size: int) -> None:
    """A batch_size below 1 is refused at the call, before any batch is asked for."""
    with pytest.raises(ValueError, match=f"batch_size is {size}: it must be at least 1"):
        data.batches(np.zeros(5), batch_size=size)


def test_batch_size_is_an_integer() -> None:
    """A float is not a number of rows."""
    with pytest.raises(TypeError, match="float"):
        data.batches(np.zeros(5), batch_size=2.0)  # type: ignore[arg-type]


def test_batches_need_an_array_with_rows() -> None:
    """No array at all is a TypeError, and a single number a ValueError."""
    with pytest.raises(TypeError, match="no array was given"):
        data.batches(batch_size=2)
    with pytest.raises(ValueError, match="array 1 is a single number"):
        data.batches(np.zeros(5), 3.0, batch_size=2)


def test_a_seed_is_not_a_generator() -> None:
    """An integer given as rng is a TypeError that says what to pass."""
    with pytest.raises(TypeError, match=r"rng is of type int: .*default_rng\(0\)"):
        data.batches(np.zeros(5), batch_size=2, rng=0)  # type: ignore[arg-type]


def test_public_names_are_sorted_and_present() -> None:
    """`data.__all__` lists what the package offers, in order, and every name is there."""
    assert data.__all__ == sorted(data.__all__)
    assert all(hasattr(data, name) for name in data.__all__)
