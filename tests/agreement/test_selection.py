"""Which paths are replicated, as a table; and which patterns are none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.selection import excluder, wrong_pattern

EXCLUDED = [
    ("*.tmp", "a.tmp"),
    ("*.tmp", "d/e/a.tmp"),
    ("*.tmp", "d.tmp/below/it"),
    ("scratch/**", "scratch/x"),
    ("scratch/**", "scratch/d/x"),
    ("scratch", "d/scratch/x"),
    ("Data/*/raw", "Data/2026/raw/x"),
    ("**/cache/x", "cache/x"),
    ("**/cache/x", "a/b/cache/x"),
    ("a/**/z", "a/z"),
    ("a/**/z", "a/b/c/z"),
    ("day[0-9]", "day7"),
    ("day[!0-9]", "dayx"),
    ("x?y", "xäy"),
    ("a+b(c).*", "a+b(c).26o"),
]
REPLICATED = [
    ("*.tmp", "a.tmpx"),
    ("*.tmp", "tmp"),
    ("scratch/**", "scratch"),
    ("scratch/**", "d/scratch/x"),
    ("Data/*/raw", "Data/2026/more/raw"),
    ("Data/*.x", "Data/d/a.x"),
    ("day[0-9]", "dayx"),
    ("x?y", "x/y"),
    ("a.b", "aXb"),
]


@pytest.mark.parametrize(("pattern", "path"), EXCLUDED)
def test_what_a_pattern_excludes(pattern, path):
    assert wrong_pattern(pattern) is None
    assert excluder((pattern,), ())(path)


@pytest.mark.parametrize(("pattern", "path"), REPLICATED)
def test_what_it_does_not(pattern, path):
    assert not excluder((pattern,), ())(path)


def test_what_is_included_is_replicated_although_it_is_excluded():
    excludes = excluder(("scratch/**", "*.log"), ("scratch/keep/**", "audit.log"))
    assert excludes("scratch/x")
    assert not excludes("scratch/keep/x")
    assert excludes("d/other.log")
    assert not excludes("d/audit.log")


def test_without_patterns_everything_is_replicated():
    assert not excluder((), ("x",))("x")


@pytest.mark.parametrize(
    "pattern",
    ["", "/x", "x/", "a//b", "../x", "a/../b", ".tripod/**", "a**b", "*", "**", "x\ny", "x" * 501, "[z-a]"],
)
def test_a_wrong_pattern_is_found(pattern):
    assert wrong_pattern(pattern)


@given(st.text(max_size=30), st.text(max_size=30))
def test_whatever_is_written_is_a_mistake_or_a_pattern(pattern, path):
    if wrong_pattern(pattern) is None:
        assert excluder((pattern,), (pattern,))(path) is False
