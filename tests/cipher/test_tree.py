"""Merkle trees against the vectors of Certificate Transparency, and against the RFC's definition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confide.cipher import tree
from confide.cipher.tree import EMPTY, Frontier
from confide.errors import Invalid, ProofBroken

# The reference inputs of Certificate Transparency, with the roots over the first 0 to 8 of them and proofs
# over them (see SOURCES.md).
D = [
    bytes.fromhex(each)
    for each in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    bytes.fromhex(each)
    for each in (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
INCLUSION = [  # leaf, size, path
    (0, 1, []),
    (
        0,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]
CONSISTENCY = [  # older size, newer size, proof
    (1, 1, []),
    (1, 8, INCLUSION[1][2]),
    (
        6,
        8,
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
    (
        6,
        7,
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
]
LEAVES = [tree.hash_leaf(d) for d in D]
NODES = tree.nodes_of(LEAVES)
OTHER = bytes.fromhex("abacaba000000000000000000000000000000000000000000060061e00123456")


def mth(leaves):
    """RFC 6962 section 2.1, as it stands there."""
    n = len(leaves)
    if n == 0:
        return EMPTY
    if n == 1:
        return leaves[0]
    k = largest(n)
    return tree.hash_node(mth(leaves[:k]), mth(leaves[k:]))


def path(m, leaves):
    """RFC 6962 section 2.1.1, as it stands there."""
    n = len(leaves)
    if n == 1:
        return []
    k = largest(n)
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m, leaves, b):
    """RFC 6962 section 2.1.2, as it stands there."""
    n = len(leaves)
    if m == n:
        return [] if b else [mth(leaves)]
    k = largest(n)
    if m <= k:
        return [*subproof(m, leaves[:k], b), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


def largest(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def hashed(count):
    return [tree.hash_leaf(i.to_bytes(4, "big")) for i in range(count)]


def test_the_published_roots():
    for n, root in enumerate(ROOTS):
        assert tree.root(n, NODES) == root
        assert Frontier().grow(LEAVES[:n]).root() == root


@pytest.mark.parametrize(("m", "n", "written"), INCLUSION)
def test_the_published_proofs_of_inclusion(m, n, written):
    proof = [bytes.fromhex(each) for each in written]
    assert tree.prove_inclusion(m, n, NODES) == proof
    tree.verify_inclusion(m, n, LEAVES[m], proof, ROOTS[n])


@pytest.mark.parametrize(("m", "n", "written"), CONSISTENCY)
def test_the_published_proofs_of_consistency(m, n, written):
    proof = [bytes.fromhex(each) for each in written]
    assert tree.prove_consistency(m, n, NODES) == proof
    tree.verify_consistency(m, n, proof, ROOTS[m], ROOTS[n])


def broken(proof):
    """Ways in which a proof can be wrong."""
    for i, each in enumerate(proof):
        yield [*proof[:i], bytes([each[0] ^ 8]) + each[1:], *proof[i + 1 :]]
        yield [*proof[:i], each[:-1], *proof[i + 1 :]]
        yield proof[:i] + proof[i + 1 :]
        yield [*proof[:i], OTHER, *proof[i:]]
    yield [*proof, OTHER]
    yield [*proof, b""]
    yield [b"", *proof]
    if proof:
        yield []
        yield proof[::-1] if proof != proof[::-1] else [OTHER]


@pytest.mark.parametrize(("m", "n", "written"), INCLUSION[1:])
def test_a_wrong_proof_of_inclusion_is_refused(m, n, written):
    proof, leaf, root = [bytes.fromhex(each) for each in written], LEAVES[m], ROOTS[n]
    cases = [(m, n, leaf, each, root) for each in broken(proof) if each != proof]
    cases += [(other, n, leaf, proof, root) for other in (m - 1, m + 1, m ^ 2, n)]
    cases += [(m, size, leaf, proof, root) for size in (n * 2, n // 2, 0)]
    cases += [
        (m, n, OTHER, proof, root),
        (m, n, b"short", proof, root),
        (m, n, leaf, proof, EMPTY),
        (m, n, leaf, proof, OTHER),
        (m, n, leaf, proof, b""),
        (m, n, leaf, [*proof, root], root),
        (m, n, leaf, [root, *proof], root),
    ]
    for case in cases:
        with pytest.raises(ProofBroken):
            tree.verify_inclusion(*case)


@pytest.mark.parametrize(("m", "n", "written"), CONSISTENCY[1:])
def test_a_wrong_proof_of_consistency_is_refused(m, n, written):
    proof, old, new = [bytes.fromhex(each) for each in written], ROOTS[m], ROOTS[n]
    cases = [(m, n, each, old, new) for each in broken(proof) if each != proof]
    cases += [(other, n, proof, old, new) for other in (m - 1, m + 1, m ^ 2)]
    cases += [(m, size, proof, old, new) for size in (n * 2, n // 2)]
    cases += [
        (m, n, proof, OTHER, new),
        (m, n, proof, old, OTHER),
        (m, n, proof, b"WrongRoot", new),
        (m, n, proof, old, b"WrongRoot"),
        (m, n, proof, new, old),
        (m, n, [*proof, old], old, new),
        (m, n, [*proof, new], old, new),
        (m, n, [old, *proof], old, new),
        (m, n, [proof[0], *proof], old, new),
    ]
    for case in cases:
        with pytest.raises(ProofBroken):
            tree.verify_consistency(*case)


def test_trees_that_did_not_grow_or_shrank():
    tree.verify_consistency(0, 0, [], EMPTY, EMPTY)
    tree.verify_consistency(0, 8, [], EMPTY, ROOTS[8])
    tree.verify_consistency(8, 8, [], ROOTS[8], ROOTS[8])
    for m, n, proof, old, new in [
        (0, 0, [], OTHER, EMPTY),
        (0, 8, [], OTHER, ROOTS[8]),
        (0, 8, [EMPTY], EMPTY, ROOTS[8]),
        (8, 8, [], ROOTS[8], OTHER),
        (8, 8, [EMPTY], ROOTS[8], ROOTS[8]),
        (8, 7, [], ROOTS[8], ROOTS[7]),
        (1, 2, [], ROOTS[1], ROOTS[2]),
        (-1, 2, [], EMPTY, ROOTS[2]),
    ]:
        with pytest.raises(ProofBroken):
            tree.verify_consistency(m, n, proof, old, new)
    for call, m, n in [
        (tree.prove_consistency, 3, 2),
        (tree.prove_consistency, -1, 2),
        (tree.prove_inclusion, 2, 2),
        (tree.prove_inclusion, -1, 2),
    ]:
        with pytest.raises(Invalid):
            call(m, n, NODES)


def test_every_tree_of_up_to_40_leaves_is_the_one_that_the_rfc_defines():
    leaves = hashed(40)
    nodes = tree.nodes_of(leaves)
    for n in range(41):
        root = mth(leaves[:n])
        assert tree.root(n, nodes) == root
        for m in range(n):
            proof = tree.prove_inclusion(m, n, nodes)
            assert proof == path(m, leaves[:n])
            tree.verify_inclusion(m, n, leaves[m], proof, root)
        for m in range(1, n + 1):
            proof = tree.prove_consistency(m, n, nodes)
            assert proof == subproof(m, leaves[:n], True)
            tree.verify_consistency(m, n, proof, mth(leaves[:m]), root)


@given(st.lists(st.integers(0, 70), max_size=6), st.data())
def test_a_tree_grows_in_any_steps_to_the_same(steps, data):
    leaves = hashed(sum(steps))
    frontier = Frontier()
    for step in steps:
        frontier = frontier.grow(leaves[frontier.size : frontier.size + step])
        assert Frontier.parse(frontier.size, bytes(frontier)) == frontier
        assert frontier.root() == mth(leaves[: frontier.size])
    if leaves:
        n = len(leaves)
        nodes = tree.nodes_of(leaves)
        m = data.draw(st.integers(1, n))
        tree.verify_consistency(m, n, tree.prove_consistency(m, n, nodes), mth(leaves[:m]), frontier.root())
        tree.verify_inclusion(m - 1, n, leaves[m - 1], tree.prove_inclusion(m - 1, n, nodes), frontier.root())


@pytest.mark.parametrize(("size", "written"), [(3, bytes(32)), (2, bytes(33)), (-1, b""), (1, b"")])
def test_a_frontier_of_another_size_is_refused(size, written):
    with pytest.raises(Invalid):
        Frontier.parse(size, written)
