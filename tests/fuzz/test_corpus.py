"""Every input that fuzzing kept, and every seed, through its property; and some that nobody has seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.corpus import FOLDER, read_corpus
from tests.fuzz.properties import PROPERTIES
from tests.fuzz.seeds import SEEDS


@pytest.mark.parametrize("name", PROPERTIES)
def test_the_property_holds_for_all_that_was_kept(name):
    for data in SEEDS[name]:
        PROPERTIES[name](data)
    kept = read_corpus(name)
    assert kept, "the corpus is in the repository"
    for data in kept:
        PROPERTIES[name](data)


@pytest.mark.parametrize("name", PROPERTIES)
@given(data=st.binary(max_size=200))
def test_the_property_holds_for_any_bytes(name, data):
    PROPERTIES[name](data)


def test_the_corpus_stays_small():
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 300_000
