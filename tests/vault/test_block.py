"""The packed index says what a plain dictionary says, whatever is in it."""

from hypothesis import example, given
from hypothesis import strategies as st

from confide.vault.block import EMPTY, Builder, Leaf

KINDS = ("family", "given", "order")
TEXTS = st.text(st.sampled_from("ab1ø李😀\ud800\uffff\0"), max_size=3)
PEOPLE = st.dictionaries(
    st.integers(0, 30).map(lambda n: f"{n:02}"),
    st.frozensets(st.tuples(st.sampled_from(KINDS), TEXTS), min_size=1, max_size=6),
    max_size=12,
)


def packed(people):
    builder = Builder()
    for patient, terms in people.items():
        builder.add(patient, terms)
    return builder.build()


def grown(people):
    leaf = Leaf(EMPTY)
    for patient in people:
        leaf.put(patient, frozenset({("given", "before"), ("order", "1")}))
    for patient, terms in people.items():
        leaf.put(patient, terms)
    return leaf


@given(PEOPLE, TEXTS, TEXTS)
@example({}, "", "")
@example({"00": frozenset({("family", "\uffff"), ("family", "😀")})}, "\uffff", "😀")
def test_it_is_asked_like_a_dictionary(people, text, high):
    for part in (packed(people), grown(people)):
        assert len(part) == len(people)
        for kind in (*KINDS, "nothing"):
            having = [(p, t) for p, terms in people.items() for k, t in terms if k == kind]
            assert part.exact(kind, text) == {p for p, t in having if t == text}
            assert part.prefix(kind, text) == {p for p, t in having if t.startswith(text)}
            assert part.between(kind, text, high) == {p for p, t in having if text <= t < high}
            assert part.place(kind, text) == len({t for _, t in having if t < text})
            for patient, terms in people.items():
                first = min((t for k, t in terms if k == kind), default=None)
                assert part.first(patient, kind) == first
        for patient, terms in people.items():
            assert patient in part
            assert set(part.terms_of(patient)) == terms
        assert "99" not in part
        assert list(part.terms_of("99")) == []
        assert part.first("99", "family") is None


@given(PEOPLE, PEOPLE, TEXTS)
def test_a_text_of_both_counts_once_in_an_order(people, more, text):
    block = packed(people)
    leaf = Leaf(block)
    for patient, terms in more.items():
        leaf.put(patient, terms)
    for kind in KINDS:
        texts = {t for each in (people, more) for terms in each.values() for k, t in terms if k == kind}
        assert block.place(kind, text) + leaf.place(kind, text) == len({t for t in texts if t < text})
    for patient in more:
        leaf.put(patient, frozenset())
    assert [leaf.place(kind, "\U0010ffff") for kind in KINDS] == [0, 0, 0]
    assert len(leaf) == 0


def test_many_people_take_little_room():
    builder = Builder()
    for number in range(2_000):
        builder.add(f"{number:036}", [("family", f"name{number % 90}"), ("phone", f"{number:010}")])
    assert builder.build().size < 2_000 * 200
