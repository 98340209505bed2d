"""`python -m tests.fuzz`: fuzzes every property for a while, side by side, and keeps a small corpus of each."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from tests.fuzz.corpus import read_corpus, write_corpus
from tests.fuzz.properties import PROPERTIES
from tests.fuzz.seeds import SEEDS

_MOST_BYTES = 600
_LAST_WORDS = re.compile(
    r"^(Done \d+ runs.*|stat::number_of_executed_units:.*|==\d+== ERROR.*| ?=== Uncaught.*)$", re.MULTILINE
)


@click.command()
@click.option("--seconds", default=600, show_default=True, help="How long, for each property.")
@click.option("--only", multiple=True, type=click.Choice(sorted(PROPERTIES)), help="Not all properties, but these.")
def main(seconds: int, only: tuple[str, ...]) -> None:
    """Look for bytes for which a property does not hold; status 1 when there are any."""
    names = only or tuple(PROPERTIES)
    with tempfile.TemporaryDirectory(prefix="tripod-fuzz-") as temporary:
        runs = {name: Run(name, Path(temporary), seconds) for name in names}
        failed = [name for name, run in runs.items() if not run.is_good()]
        for name in set(names) - set(failed):
            runs[name].keep_corpus()
    sys.exit(bool(failed))


class Run:
    """One property being fuzzed in a process of its own."""

    def __init__(self, name: str, folder: Path, seconds: int) -> None:
        self._name = name
        self._found = folder / name
        self._found.mkdir()
        for number, data in enumerate((*read_corpus(name), *SEEDS[name])):
            (self._found / str(number)).write_bytes(data)
        options = [f"-max_total_time={seconds}", f"-max_len={_MOST_BYTES}", "-timeout=10", "-print_final_stats=1"]
        prefix = f"-artifact_prefix={Path.cwd()}/{name}-"
        self._log = (folder / f"{name}.log").open("w+")
        self._process = subprocess.Popen(
            [*_target(name), self._found, *options, prefix], stdout=self._log, stderr=subprocess.STDOUT
        )

    def is_good(self) -> bool:
        """Wait for its end, say what it did, and whether every input was as it must be."""
        good = self._process.wait() == 0
        self._log.seek(0)
        said = self._log.read()
        self._log.close()
        click.echo(f"{self._name}: " + "; ".join(found[0].strip() for found in _LAST_WORDS.finditer(said)))
        if not good:
            click.echo(said[-4000:])
        return good

    def keep_corpus(self) -> None:
        """Replace the kept corpus by the smallest that reaches as much."""
        fresh = self._found.with_name(f"{self._name}.kept")
        fresh.mkdir()
        subprocess.run([*_target(self._name), "-merge=1", fresh, self._found], check=True, capture_output=True)
        kept = write_corpus(self._name, (file.read_bytes() for file in fresh.iterdir()))
        click.echo(f"{self._name}: {kept} inputs kept")


def _target(name: str) -> list[str]:
    return [sys.executable, "-m", "tests.fuzz.target", name]


if __name__ == "__main__":
    main()
