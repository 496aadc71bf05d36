"""Syllables, sentences and marks, against published counts."""

from __future__ import annotations

import pytest

from confide.errors import Invalid
from confide.incidents.notices.readability import measure, silabas, syllables

# Published with their grades and counts: en.wikipedia.org, Flesch-Kincaid readability tests.
PUBLISHED = [
    ("The cat sat on the mat.", 1, 6, 6, -1.45),
    (
        "This sentence, taken as a reading passage unto itself, is being used to prove a point.",
        1,
        16,
        23,
        7.6,
    ),
    ("The Australian platypus is seemingly a hybrid of a mammal and reptilian creature.", 1, 13, 24, 11.3),
]

ENGLISH = {
    1: "breach name date call free help stopped asked used code state freeze bills care take takes while",
    2: "notice data credit report letter password stolen patient social wanted needed pages license people"
    " using safely table little doing quiet science going email written website police bureau study rhythm",
    3: "medical protection protected carefully everything anyone idea area created example financial"
    " medicine telephone familiar",
    4: "information security experience situation Experian identity",
    6: "identification",
}
# Real Academia Espanola, Ortografia (2010), chapter II: diphthongs, hiatus, the h between vowels.
SPANISH = {
    1: "ley que cien buey y Juan pie",
    2: "guía país guerra ciudad día aquí leer búho maíz prohibir reunir",
    3: "poeta vergüenza prohíbe seguro número ahora Uruguay estudiáis héroe",
    4: "aéreo información averiguar policía teléfono",
}


@pytest.mark.parametrize(("text", "sentences", "words", "count", "grade"), PUBLISHED)
def test_published_examples_have_their_published_grade(text, sentences, words, count, grade):
    found = measure([text], "en")
    assert (found.sentences, found.words, found.syllables) == (sentences, words, count)
    assert found.mark == pytest.approx(grade, abs=0.05)


def test_syllables_are_counted_as_dictionaries_part_them():
    for counter, table in ((syllables, ENGLISH), (silabas, SPANISH)):
        wrong = {
            word: counter(word)
            for count, words in table.items()
            for word in words.split()
            if counter(word) != count
        }
        assert not wrong


def test_spanish_is_measured_by_words_to_a_sentence():
    # 206.84 - 60 * 9/5 - 1.02 * 5: two syllables but one, in five words.
    assert measure(["La casa tiene mesa nueva."], "es").mark == pytest.approx(206.84 - 60 * 9 / 5 - 1.02 * 5)


def test_a_number_is_a_word_of_as_many_syllables_as_digits_and_abbreviations_end_no_sentence():
    found = measure(["Call 1-800-555-0100, 8 a.m. to 5 p.m. on weekdays. We answer.", "An item"], "en")
    assert found.sentences == 3
    assert measure(["0100"], "en").syllables == 4
    with pytest.raises(Invalid):
        measure(["..."], "en")
