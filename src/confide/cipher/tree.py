"""Merkle trees: hashing, roots, proofs that a leaf is in a tree, proofs that a tree only grew.

``D[n]`` are the *n* leaves of a log, ``D[a:b]`` those from *a* up to but without *b*, and ``MTH`` is the hash
over such a list. Nothing here reads or writes: whoever has the hashes of complete subtrees passes them as
``Nodes``.

Source:
    RFC 6962 section 2.1 (hashing and proofs); RFC 9162 sections 2.1.3.2 and 2.1.4.2 (how a proof is checked).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from confide.errors import Invalid, ProofBroken

HASH_BYTES: Final = 32
EMPTY: Final = sha256(b"").digest()
"""``MTH({})``, the root of a tree without leaves."""

Nodes = Callable[[int, int], bytes]
"""``nodes(level, i)`` is ``MTH(D[i * 2**level : (i + 1) * 2**level])``, the hash of a complete subtree."""


def hash_leaf(d: bytes) -> bytes:
    """Return ``MTH({d}) = SHA-256(0x00 || d)``, 32 bytes."""
    return sha256(b"\x00" + d).digest()


def hash_node(left: bytes, right: bytes) -> bytes:
    """Return ``SHA-256(0x01 || left || right)``, 32 bytes."""
    return sha256(b"\x01" + left + right).digest()


def hash_pairs(hashes: Sequence[bytes]) -> list[bytes]:
    """Return the next level: the node over each pair of *hashes*; an odd last one has none."""
    one = iter(hashes)
    return [sha256(b"\x01" + left + right).digest() for left, right in zip(one, one, strict=False)]


def hash_range(start: int, end: int, nodes: Nodes) -> bytes:
    """Return ``MTH(D[start:end])``.

    Args:
        start: First leaf; a multiple of a power of two that is not less than ``end - start``.
        end: One more than the last leaf.
        nodes: Gives the hashes of complete subtrees.
    """
    n = end - start
    if n == 0:
        return EMPTY
    level = (n - 1).bit_length()
    if n == 1 << level:
        return nodes(level, start >> level)
    k = 1 << (level - 1)  # the largest power of two smaller than n
    return hash_node(nodes(level - 1, start >> (level - 1)), hash_range(start + k, end, nodes))


def root(n: int, nodes: Nodes) -> bytes:
    """Return ``MTH(D[n])``, the root of the tree of size *n*."""
    return hash_range(0, n, nodes)


def nodes_of(leaves: Iterable[bytes]) -> Nodes:
    """Return the hashes of the complete subtrees over *leaves*, for trees that are small enough to keep.

    Args:
        leaves: The leaf hashes, in order.
    """
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        levels.append(hash_pairs(levels[-1]))
    return lambda level, i: levels[level][i]


# Proofs


def prove_inclusion(m: int, n: int, nodes: Nodes) -> list[bytes]:
    """Return ``PATH(m, D[n])``: what proves that leaf *m* is in the tree of size *n*.

    Args:
        m: The leaf, counted from 0.
        n: The size of the tree.
        nodes: Gives the hashes of complete subtrees.

    Raises:
        Invalid: There is no such leaf.
    """
    if not 0 <= m < n:
        raise Invalid("the tree has no such leaf")
    path: list[bytes] = []
    start, end = 0, n
    while end - start > 1:  # from the root down, so that the path is found in reverse
        k = start + _split(end - start)
        if m < k:
            path.append(hash_range(k, end, nodes))
            end = k
        else:
            path.append(hash_range(start, k, nodes))
            start = k
    return path[::-1]


def prove_consistency(m: int, n: int, nodes: Nodes) -> list[bytes]:
    """Return ``PROOF(m, D[n])``: what proves that the tree of size *n* is the one of size *m*, grown.

    Args:
        m: The size of the older tree; from 0 on, also of an empty one, all trees have grown.
        n: The size of the newer tree.
        nodes: Gives the hashes of complete subtrees.

    Raises:
        Invalid: The older tree is larger.
    """
    if not 0 <= m <= n:
        raise Invalid("the older tree is larger")
    if m in {0, n}:
        return []
    proof: list[bytes] = []
    start, end, whole = 0, n, True  # whole: D[start:m] is all of the older tree, whose root the reader has
    while end != m:
        k = start + _split(end - start)
        if m <= k:
            proof.append(hash_range(k, end, nodes))
            end = k
        else:
            proof.append(hash_range(start, k, nodes))
            start, whole = k, False
    if not whole:
        proof.append(hash_range(start, m, nodes))
    return proof[::-1]


def verify_inclusion(m: int, n: int, leaf: bytes, path: Sequence[bytes], root: bytes) -> None:
    """Check that *path* leads from leaf *m* to the root of the tree of size *n*.

    Args:
        m: The leaf, counted from 0.
        n: The size of the tree.
        leaf: The leaf's hash, 32 bytes.
        path: What :func:`prove_inclusion` gave.
        root: The root of the tree, 32 bytes.

    Raises:
        ProofBroken: It does not.

    Source:
        RFC 9162 section 2.1.3.2.
    """
    _check(leaf, root, *path)
    if not 0 <= m < n:
        raise ProofBroken("the proof is for a leaf that the tree has not")
    fn, sn, r = m, n - 1, leaf
    for p in path:
        if sn == 0:
            raise ProofBroken("the proof is longer than the tree is high")
        if fn & 1 or fn == sn:
            r = hash_node(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = hash_node(r, p)
        fn, sn = fn >> 1, sn >> 1
    if sn or r != root:
        raise ProofBroken("the proof does not lead from this leaf to this root")


def verify_consistency(m: int, n: int, proof: Sequence[bytes], old: bytes, new: bytes) -> None:
    """Check that the tree of size *n* with root *new* begins with the one of size *m* with root *old*.

    Args:
        m: The size of the older tree.
        n: The size of the newer tree.
        proof: What :func:`prove_consistency` gave.
        old: The root of the older tree, 32 bytes.
        new: The root of the newer tree, 32 bytes.

    Raises:
        ProofBroken: It does not.

    Source:
        RFC 9162 section 2.1.4.2.
    """
    _check(old, new, *proof)
    if not 0 <= m <= n:
        raise ProofBroken("the tree has shrunk")
    if m in {0, n}:
        if proof or old != (new if m else EMPTY) or (n == 0 and new != EMPTY):
            raise ProofBroken("the trees differ")
        return
    rest = [old, *proof] if m & (m - 1) == 0 else list(proof)
    if not rest:
        raise ProofBroken("the proof is empty")
    whole = (m & -m).bit_length() - 1  # levels of the last complete subtree of the older tree
    fn, sn = (m - 1) >> whole, (n - 1) >> whole
    fr = sr = rest[0]
    for c in rest[1:]:
        if sn == 0:
            raise ProofBroken("the proof is longer than the tree is high")
        if fn & 1 or fn == sn:
            fr, sr = hash_node(c, fr), hash_node(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = hash_node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    if sn or fr != old or sr != new:
        raise ProofBroken("the newer tree does not begin with the older one")


def _split(n: int) -> int:
    """Return *k*, the largest power of two smaller than *n*."""
    return 1 << ((n - 1).bit_length() - 1)


def _check(*hashes: bytes) -> None:
    if any(len(each) != HASH_BYTES for each in hashes):
        raise ProofBroken("a hash of the proof is not 32 bytes long")


# Growing


@dataclass(frozen=True, slots=True)
class Frontier:
    """What must be kept of a tree so that it can grow: the roots of the complete subtrees that make it up.

    Attributes:
        size: Leaves in the tree.
        hashes: One for each 1 in the binary writing of *size*, the largest subtree first.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.hashes) != self.size.bit_count():
            raise Invalid("the frontier does not fit the size of its tree")
        if any(len(each) != HASH_BYTES for each in self.hashes):
            raise Invalid("a hash of the frontier is not 32 bytes long")

    def grow(self, leaves: Sequence[bytes]) -> Frontier:
        """Return the frontier of this tree with *leaves*, the hashes of further leaves in order.

        Costs one hash a leaf, in one list a level.
        """
        peaks: list[bytes] = []  # the smallest subtree first
        old = list(self.hashes)
        size, now, hashes = self.size, self.size + len(leaves), list(leaves)
        while now:
            if size & 1:
                hashes.insert(0, old.pop())
            if now & 1:
                peaks.append(hashes[-1])
            hashes = hash_pairs(hashes)
            size, now = size >> 1, now >> 1
        return Frontier(self.size + len(leaves), tuple(reversed(peaks)))

    def root(self) -> bytes:
        """Return the root of the tree, 32 bytes."""
        if not self.hashes:
            return EMPTY
        r = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            r = hash_node(left, r)
        return r

    def __bytes__(self) -> bytes:
        return b"".join(self.hashes)

    @classmethod
    def parse(cls, size: int, written: bytes) -> Frontier:
        """Read what ``bytes(frontier)`` wrote.

        Raises:
            Invalid: It is of another size.
        """
        return cls(size, tuple(written[i : i + HASH_BYTES] for i in range(0, len(written), HASH_BYTES)))
