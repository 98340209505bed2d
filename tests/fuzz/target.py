"""`python -m tests.fuzz.target PROPERTY …` is a libFuzzer program for one property; the rest is libFuzzer's."""

import sys

import atheris

with atheris.instrument_imports(include=["balancer.core", "cluster", "ftpnode.core", "tests.fuzz"]):
    from tests.fuzz.properties import PROPERTIES

if __name__ == "__main__":
    name = sys.argv[1]
    again = f"{sys.executable} -m tests.fuzz.target {name}"  # as whom libFuzzer starts itself when it merges
    atheris.Setup([again, *sys.argv[2:]], PROPERTIES[name])
    atheris.Fuzz()
