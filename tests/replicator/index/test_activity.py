"""What was done is counted for an hour, minute by minute."""

from cluster.recent import LastHour
from replicator.index.activity import Activity


def test_the_last_hour_is_summed_and_what_is_older_forgotten():
    activity = Activity()
    assert activity.last_hour(0.0) == LastHour()
    activity.made(100, 5.0)
    activity.arrived(7, 6.0)
    activity.arrived(7, 100.0)
    assert activity.last_hour(3000.0) == LastHour(made=1, made_bytes=100, arrived=2, arrived_bytes=14)
    assert activity.last_hour(3601.0) == LastHour(arrived=1, arrived_bytes=7)
    assert activity.last_hour(9000.0) == LastHour()
