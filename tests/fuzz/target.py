"""`python -m tests.fuzz.target PROPERTY …` is a libFuzzer program for one property; the rest is libFuzzer's."""

import logging
import sys

import atheris
import structlog

with atheris.instrument_imports(
    include=["balancer.core", "cluster", "ftpnode.core", "replicator", "tests.fuzz", "tests.kit.hostile_peer"]
):
    from tests.fuzz.properties import PROPERTIES

if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    name = sys.argv[1]
    again = f"{sys.executable} -m tests.fuzz.target {name}"  # as whom libFuzzer starts itself when it merges
    atheris.Setup([again, *sys.argv[2:]], PROPERTIES[name])
    atheris.Fuzz()
