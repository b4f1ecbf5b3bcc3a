"""Characters as numbers: ids for embeddings and targets, one-hot vectors for plain inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class CharVocabulary:
    """The different characters of a text, sorted; a character's id is its place among them.

    characters: str, any text that holds every character wanted, in any order and number. The
    attribute of this name keeps each once, sorted by code point. `len` is the vocabulary's size V.

    Raises: ValueError for an empty text.

    >>> vocabulary = CharVocabulary("hello")
    >>> vocabulary, len(vocabulary)
    (CharVocabulary(characters='ehlo'), 4)
    >>> vocabulary.encode("hello").tolist()
    [1, 0, 2, 2, 3]
    """

    characters: str

    def __post_init__(self) -> None:
        if not self.characters:
            raise ValueError("CharVocabulary: the text is empty: give at least one character")
        object.__setattr__(self, "characters", "".join(sorted(set(self.characters))))

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> npt.NDArray[np.int64]:
        """Ids of a text's characters.

        text: str of N characters of the vocabulary.
        Result: (N,) int64, from 0 to V - 1.

        Raises: ValueError that names the first unknown character and its position.

        >>> CharVocabulary("abc").encode("cab").tolist()
        [2, 0, 1]
        """
        points, known = _code_points(text), _code_points(self.characters)
        unknown = np.flatnonzero(~np.isin(points, known))
        if unknown.size:
            at = int(unknown[0])
            raise ValueError(
                f"CharVocabulary.encode: character {text[at]!r} at position {at} is not among "
                f"the {len(self)} of the vocabulary: build it from a text that has it"
            )
        return np.searchsorted(known, points).astype(np.int64)

    def decode(self, ids: npt.ArrayLike) -> str:
        """Text that the ids stand for; `decode(encode(text))` is `text`.

        ids: (N,) integer, from 0 to V - 1.
        Result: str of N characters.

        Raises: IndexError for an id outside that range; TypeError for ids that are not integers;
        ValueError for another number of axes.

        >>> CharVocabulary("abc").decode([2, 0, 1])
        'cab'
        """
        checked = self._checked("decode", ids)
        if checked.ndim != 1:
            raise ValueError(
                f"CharVocabulary.decode: ids has shape {checked.shape}: it must be (N,), "
                "so decode one sequence at a time"
            )
        points = _code_points(self.characters)[checked]
        return points.tobytes().decode("utf-32-le", "surrogatepass")

    def one_hot(self, ids: npt.ArrayLike, dtype: npt.DTypeLike = np.float64) -> npt.NDArray[Any]:
        """Vectors of zeros with a one at each id.

        ids: integer of any shape, from 0 to V - 1.
        Result: ids.shape + (V,), of the dtype asked for.

        Raises: IndexError for an id outside that range; TypeError for ids that are not integers.

        >>> CharVocabulary("abc").one_hot([2, 0]).tolist()
        [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
        """
        checked = self._checked("one_hot", ids)
        hits: npt.NDArray[np.bool_] = checked[..., np.newaxis] == np.arange(len(self))
        return hits.astype(dtype)

    def _checked(self, method: str, ids: npt.ArrayLike) -> npt.NDArray[np.int64]:
        array = np.asarray(ids)
        if array.size and array.dtype.kind not in "iu":
            raise TypeError(
                f"CharVocabulary.{method}: ids has dtype {array.dtype}: it must be an integer one"
            )
        wrong = array[(array < 0) | (array >= len(self))]
        if wrong.size:
            raise IndexError(
                f"CharVocabulary.{method}: id {wrong[0]} is out of range: "
                f"ids must be from 0 to {len(self) - 1}"
            )
        return array.astype(np.int64)


def _code_points(text: str) -> npt.NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
