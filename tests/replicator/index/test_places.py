"""What the index keeps compactly says the same as plain dictionaries and lists would."""

from hypothesis import given
from hypothesis import strategies as st

from replicator.core.place import Place
from replicator.index.change_log import ChangeLog
from replicator.index.places import PathsOf, Places
from replicator.index.writer import _TABLES, Change, _statements, open_database

paths = st.sampled_from(["a", "b", "c/d", "e"])


@given(changes=st.lists(st.tuples(paths, st.integers(0, 9) | st.none()), max_size=30))
def test_places_are_a_mapping_of_what_was_put_last(changes):
    places, plain = Places("node1:0123456789abcdef"), {}
    for path, announced in changes:
        if announced is not None:
            plain[path] = Place(announced=announced)
            places.put(path, plain[path])
        elif path in plain:
            del plain[path]
            places.drop(path)
        assert dict(places) == plain
        assert len(places) == len(plain)


def test_places_that_were_not_used_lately_are_the_same_still():
    places = Places("node1:0123456789abcdef")
    for number in range(10_000):
        places.put(f"p{number}", Place(announced=number))
    assert all(places[f"p{number}"].announced == number for number in range(10_000))


contents = ["aa" * 32, "bb" * 32, "cc" * 32]


@given(changes=st.lists(st.tuples(st.sampled_from(contents), paths, st.booleans()), max_size=30))
def test_every_content_has_the_paths_that_were_given_it(changes):
    found, plain = PathsOf(), {}
    for content_id, path, there in changes:
        if there:
            found.add(content_id, path)
            plain.setdefault(content_id, set()).add(path)
        else:
            found.discard(content_id, path)
            plain.get(content_id, set()).discard(path)
        assert {each: set(found.get(each)) for each in contents} == {each: plain.get(each, set()) for each in contents}


@given(changed=st.lists(paths, max_size=40), after=st.integers(0, 40), upto=st.integers(0, 40), limit=st.integers(1, 5))
def test_the_change_log_finds_each_path_under_its_newest_sequence_alone(changed, after, upto, limit):
    newest = {}
    log = ChangeLog((), lambda sequence, path: newest[path] == sequence)
    for sequence, path in enumerate(changed, 1):
        newest[path] = sequence
        log.add(sequence, path, len(newest))
    wanted = sorted((sequence, path) for path, sequence in newest.items() if after < sequence <= upto)
    assert log.newest(after, upto, limit) == wanted[:limit]


def test_the_change_log_does_not_grow_with_the_changes_of_one_path():
    newest = {}
    log = ChangeLog((), lambda sequence, path: newest[path] == sequence)
    for sequence in range(1, 10_000):
        newest["p"] = sequence
        log.add(sequence, "p", 1)
    assert len(list(log.after(0))) <= 1003


@given(
    changes=st.lists(
        st.one_of(
            st.builds(Change, st.just("places"), st.tuples(paths), st.binary(max_size=3) | st.none(), st.just(0)),
            st.builds(Change, st.just("conflicts"), st.tuples(paths, paths), st.binary(max_size=3) | st.none(),
                      st.just(0)),
            st.builds(Change, st.just("intents"), st.tuples(st.integers(1, 9)), st.binary(max_size=3) | st.none(),
                      st.just(0)),
        ),
        max_size=40,
    )
)  # fmt: skip
def test_statements_of_many_rows_do_what_each_change_says_in_turn(tmp_path_factory, changes):
    database = open_database(tmp_path_factory.mktemp("index") / "index.sqlite3")
    plain = {table: {} for table in _TABLES}
    for change in changes:
        if change.blob is None:
            plain[change.table].pop(change.key, None)
        else:
            plain[change.table][change.key] = change.blob
    for statement, values in _statements(changes):
        database.execute(statement, values)
    for table, rows in plain.items():
        assert {tuple(row[:-1]): row[-1] for row in database.execute(f"SELECT * FROM {table}")} == rows
    database.close()
