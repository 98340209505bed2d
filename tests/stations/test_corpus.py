import gzip
from datetime import UTC, datetime

from cluster.content_id import content_id_of
from stations.completeness import Judgement, Verdict, judged
from stations.corpus import Corpus, owed_recordings, product_parcel, recordings_of_hour
from stations.network import station
from stations.persona import CATCH_UP, PERSONAS
from stations.pushing_actors import application_source

HOUR = datetime(2026, 11, 22, 14, tzinfo=UTC)


def station_with(persona):
    return next(here for here in map(station, range(20)) if here.persona == persona)


def test_every_station_has_a_code_and_a_place_of_its_own():
    stations = [station(index) for index in range(200)]
    assert len({here.code for here in stations}) == len({here.position_m for here in stations}) == 200
    assert all(len(here.code) == 4 for here in stations)


def test_a_network_of_twenty_shows_every_persona():
    assert {station(index).persona.name for index in range(20)} == set(PERSONAS)


def test_a_station_closes_one_file_an_hour_or_four_quarters():
    hourly = recordings_of_hour(station(0), HOUR, seed=1)
    quarters = recordings_of_hour(station_with(CATCH_UP), HOUR, seed=1)
    assert [each.name for each in hourly] == ["AACH00DEU_R_20263261400_01H_30S_MO.crx.gz"]
    assert hourly[0].folder == ("AACH", "2026", "326")
    assert [each.name[16:23] for each in quarters] == ["3261400", "3261415", "3261430", "3261445"]


def test_an_outage_left_eighty_files_that_end_where_the_run_begins():
    owed = owed_recordings(station_with(CATCH_UP), HOUR, seed=1)
    assert len({each.name for each in owed}) == 80
    assert owed[-1].session.start == HOUR.replace(hour=13, minute=45)
    assert [each.session.start for each in owed] == sorted(each.session.start for each in owed)
    assert owed_recordings(station(0), HOUR, seed=1) == []


def test_what_is_prepared_is_what_would_be_made_later_and_is_not_made_twice(tmp_path):
    recordings = recordings_of_hour(station_with(CATCH_UP), HOUR, seed=1)[:2]
    heard = []
    prepared = Corpus(tmp_path / "a")
    prepared.prepare(recordings * 2, lambda done, of: heard.append((done, of)))
    prepared.prepare(recordings, lambda done, of: heard.append((done, of)))
    assert heard == [(1, 2), (2, 2)]
    later = Corpus(tmp_path / "b")
    assert [prepared.content(each) for each in recordings] == [later.content(each) for each in recordings]
    assert judged(recordings[0].name, later.content(recordings[0])) == Judgement(
        verdict=Verdict.COMPLETE, epochs=30, expected=30
    )


def test_another_seed_makes_other_content_under_the_same_name(tmp_path):
    corpus = Corpus(tmp_path)
    one, other = (recordings_of_hour(station_with(CATCH_UP), HOUR, seed=seed)[0] for seed in (1, 2))
    assert one.name == other.name
    assert corpus.content(one) != corpus.content(other)


def test_a_product_carries_its_content_id_in_its_name(tmp_path):
    recording = recordings_of_hour(application_source(0), HOUR, seed=1)[1]
    parcel = product_parcel(recording, Corpus(tmp_path).content(recording))
    assert parcel.name == f"EPOCHS_2026326_1415_{content_id_of(parcel.content)[:16]}.crx.gz"
    assert parcel.folder == ()
    assert gzip.decompress(parcel.content)
