"""Identity is content: known values, so that a change of the scheme does not pass unseen."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.identity import digest, file_digest, seed_for

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("parts", "expected"),  # printf '%s' '["adult",1,2.5,null,true]' | sha256sum | cut -c1-16
    [
        ((), "4f53cda18c2baa0c"),
        (("adult", 1, 2.5, None, True), "3e8ddd153120e3a5"),
        (({"b": [1, 2], "a": {"x": 0.1}},), "e934f7e753c133a3"),
    ],
)
def test_known_digests(parts, expected):
    assert digest(*parts) == expected


def test_known_seeds():
    assert [seed_for(0), seed_for(0, "split", 3), seed_for(7, "fit", "knn", 2)] == [433832798, 1396828552, 831049596]


@given(st.dictionaries(st.text(max_size=4), PLAIN, min_size=2, max_size=5))
def test_the_order_of_keys_does_not_count(content):
    assert digest(content) == digest(dict(reversed(content.items())))


@given(st.lists(PLAIN, max_size=4))
def test_sequences_are_alike_whatever_their_type(content):
    assert digest(content) == digest(tuple(content))


@given(PLAIN, PLAIN)
def test_different_content_differs(one, other):
    assert (digest(one) == digest(other)) == (repr(one) == repr(other) or _same(one, other))


def _same(one, other):
    """Equality that tells 1, 1.0, True and -0.0 apart and takes no notice of the order of keys."""
    if isinstance(one, dict) and isinstance(other, dict):
        return set(one) == set(other) and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and repr(one) == repr(other)


def test_where_one_part_ends_counts():
    assert len({digest("ab", "c"), digest("a", "bc"), digest("abc"), digest(["ab", "c"]), digest(["a", "b"], "c")}) == 5


def test_sets_paths_and_bytes():
    assert digest({"b", "a"}) == digest(frozenset({"a", "b"})) == digest(["a", "b"])
    assert digest(Path("x/y")) == digest("x/y")
    assert digest(b"raw") == digest(hashlib.sha256(b"raw").hexdigest())
    assert digest(float("nan")) == digest(float("nan"))
    assert digest("\udcff") != digest("\udcfe")


def test_length():
    assert len(digest("x")) == 16
    assert digest("x", length=64).startswith(digest("x"))
    assert len(digest("x", length=64)) == 64


def test_what_is_not_plain_is_refused():
    with pytest.raises(TypeError, match="not JSON serializable"):
        digest(object())


def test_digests_do_not_depend_on_the_process():
    code = "from bench.identity import digest; print(digest({'a', 'b', 'c'}, {'x': 1, 'y': 2}))"
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert found == {digest({"a", "b", "c"}, {"x": 1, "y": 2}) + "\n"}


def test_files(tmp_path):
    (tmp_path / "x").write_bytes(b"abc" * 100_000)
    assert file_digest(tmp_path / "x") == hashlib.sha256(b"abc" * 100_000).hexdigest()


def test_seeds_differ_by_root_and_path_and_fit_everywhere():
    seeds = [seed_for(root, use, fold) for root in range(10) for use in ("split", "fit") for fold in range(100)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**31 - 1 for seed in seeds)
    assert seed_for(0, "a", 1) != seed_for(0, "a", "1")
    assert abs(sum(seeds) / len(seeds) / 2**30 - 1) < 0.05  # spread over all of the range
