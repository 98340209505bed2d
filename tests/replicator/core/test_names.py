"""Which names are one name on Windows or macOS, and which are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.core.names import likeness

ALIKE = {
    "letter case": ("ABCD0010.26O", "abcd0010.26o"),
    "letter case of accented letters": ("É", "é"),
    "letter case of other alphabets": ("ΔΟΚΙΜΉ", "δοκιμή"),
    "letter case of a folder": ("Data/x", "data/x"),
    "both sigmas": ("σ", "ς"),
    "both sharp s": ("ß", "ẞ"),
    "the sign of Kelvin and a k": ("\u212a", "k"),
    "composed and decomposed (NFC and NFD)": ("caf\u00e9", "cafe\u0301"),
    "composed and decomposed Hangul": ("\uac00", "\u1100\u1161"),
    "marks in another order": ("a\u0323\u0307", "a\u0307\u0323"),
    "form and case at once": ("\u00c9", "e\u0301"),
    "a capital I with a dot and its decomposed small letter": ("\u0130", "i\u0307"),
    "a dot at the end": ("a.", "a"),
    "a space at the end": ("a ", "a"),
    "dots and spaces at the end": ("a . .", "a"),
    "a dot at the end of a folder": ("d./x", "d/x"),
}
NOT_ALIKE = {
    "other letters": ("a", "b"),
    "a capital I with a dot and a plain i": ("\u0130", "i"),
    "a small i without a dot and a plain one": ("\u0131", "i"),
    "a small i without a dot and a capital I": ("\u0131", "I"),
    "a sharp s and two s": ("stra\u00dfe", "strasse"),
    "a ligature and its letters": ("\ufb01", "fi"),
    "a letter with and without its accent": ("e", "\u00e9"),
    "full width and plain": ("\uff21", "A"),
    "a dot at the beginning": (".a", "a"),
    "a dot or a space within": ("a.b", "a b"),
    "nothing but dots": ("...", "...."),
    "another folder": ("d/x", "e/x"),
}


@pytest.mark.parametrize("what", ALIKE)
def test_these_are_one_name(what):
    one, other = ALIKE[what]
    assert likeness(one) == likeness(other)


@pytest.mark.parametrize("what", NOT_ALIKE)
def test_these_are_two_names(what):
    one, other = NOT_ALIKE[what]
    assert likeness(one) != likeness(other)


@given(st.text())
def test_what_is_alike_is_alike_in_the_same(path):
    assert likeness(likeness(path)) == likeness(path)
    assert likeness(path).count("/") == path.count("/")


@given(st.text(st.characters(codec="ascii")))
def test_a_path_in_its_likeness_is_the_same_object(path):
    alike = likeness(path)
    assert likeness(alike) is alike
