"""Columns from a seed: each value is a hash of seed, column and row number.

SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014) needs
none of its earlier outputs for the n-th one. So any rows of any column can be made alone, in any
order, in bounded memory; integers only, and so the same on every platform and with every version
of numpy.
"""

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Integers = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint64]


def below(seed: int, column: str, ids: Integers, limit: int | Integers) -> Integers:
    """Draw for each row a whole number from 0 up to, without, a limit below 2**32."""
    high = bits(seed, column, ids) >> np.uint64(32)
    return (high * np.asarray(limit, np.uint64) >> np.uint64(32)).astype(np.int64)


def bits(seed: int, column: str, ids: Integers) -> Bits:
    """Draw 64 bits for each row: the outputs of SplitMix64 with these numbers."""
    key = hashlib.blake2b(f"{seed}/{column}".encode(), digest_size=8).digest()
    steps = (ids.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    return mixed(steps + np.uint64(int.from_bytes(key, "little")))


def shuffled(seed: int, column: str, ids: Integers, size: int) -> Integers:
    """Return each number's place in a permutation of ``size`` numbers.

    A Feistel network permutes the next power of four; what falls outside goes through again
    (cycle walking: Black and Rogaway, Ciphers with Arbitrary Finite Domains, 2002).
    """
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    found, outside = ids.copy(), np.arange(len(ids))
    while len(outside):
        found[outside] = _feistel(seed, column, found[outside], half)
        outside = outside[found[outside] >= size]
    return found


def _feistel(seed: int, column: str, numbers: Integers, half: int) -> Integers:
    left, right = numbers >> half, numbers & (2**half - 1)
    for turn in range(4):
        left, right = right, left ^ below(seed, f"{column}.{turn}", right, 2**half)
    found: Integers = left << half | right
    return found


def mixed(bits: Bits) -> Bits:
    """Return SplitMix64's finaliser of each (``mix64variant13`` of Stafford)."""
    bits = (bits ^ bits >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ bits >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    found: Bits = bits ^ bits >> np.uint64(31)
    return found


def joined(*parts: object) -> pa.Array:
    """Join texts and numbers of each row into one text; a part may be one text for all rows."""
    texts = [p if isinstance(p, str) else pc.cast(pa.array(p), pa.string()) for p in parts]
    return pc.binary_join_element_wise(*texts, "")


def picked(words: tuple[str, ...], places: Integers) -> pa.Array:
    """Return the word at each of these places."""
    return pa.array(words).take(pa.array(places))


def times(milliseconds: Integers) -> pa.Array:
    """Return moments as Arrow's timestamps in UTC."""
    return pa.array(milliseconds).cast(pa.timestamp("ms", "UTC"))


def money(cents: Integers) -> pa.Array:
    """Return cents as numeric(10, 2), without any detour over floating point."""
    words = np.zeros((len(cents), 2), "<i8")
    words[:, 0] = cents
    return pa.Array.from_buffers(pa.decimal128(10, 2), len(cents), [None, pa.py_buffer(words)])
