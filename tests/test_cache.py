"""The cache of fetched content: checked, whole or not there, and asked whether it is still good."""

import errno
import json

import pytest

from bench.errors import DataError, StoreError
from bench.sources.cache import cached, kept


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def gives(content, **facts):
    """A fetch that writes this content."""

    def fetch(file, known):
        file.write_bytes(content)
        return facts

    return fetch


def refuses(file, known):
    file.write_bytes(b"half of i")
    raise DataError("the server went away")


def test_nothing_is_kept_at_first(cache):
    assert kept("key", cache=cache) is None
    assert not cache.exists()


def test_keeps_content_and_facts(cache):
    made = cached("key", gives(b"content", etag="1"), name="data.csv", cache=cache)
    assert (made.path.name, made.path.read_bytes()) == ("data.csv", b"content")
    assert kept("key", cache=cache) == made
    assert made.facts == {"etag": "1"}
    assert kept("another", cache=cache) is None


def test_fetch_is_told_what_was_known_and_may_leave_it(cache):
    told = []

    def still_good(file, known):
        told.append(known)

    made = cached("key", gives(b"content", etag="1"), cache=cache)
    assert cached("key", still_good, cache=cache) == made
    assert told == [{"etag": "1"}]


def test_new_content_takes_the_place_of_the_old(cache):
    old = cached("key", gives(b"old", etag="1"), cache=cache)
    new = cached("key", gives(b"new", etag="2"), cache=cache)
    assert new.path.read_bytes() == b"new"
    assert not old.path.exists()
    assert kept("key", cache=cache) == new
    assert len(list(new.path.parents[1].iterdir())) == 2  # the content's folder and about.json


def test_same_content_gets_new_facts(cache):
    cached("key", gives(b"same", etag="1"), cache=cache)
    assert cached("key", gives(b"same", etag="2"), cache=cache).facts == {"etag": "2"}


def test_a_failed_fetch_leaves_what_was_there(cache):
    made = cached("key", gives(b"content"), cache=cache)
    with pytest.raises(DataError, match="went away"):
        cached("key", refuses, cache=cache)
    assert kept("key", cache=cache) == made
    with pytest.raises(DataError, match="went away"):
        cached("new", refuses, cache=cache)
    assert kept("new", cache=cache) is None
    assert not list(cache.rglob(".fetch-*"))


@pytest.mark.parametrize("harm", ["flipped", "cut", "gone", "about", "list"])
def test_damage_counts_as_absent_and_is_mended(cache, harm):
    made = cached("key", gives(b"content"), cache=cache)
    about = made.path.parents[1] / "about.json"
    if harm == "gone":
        made.path.unlink()
    elif harm in ("about", "list"):
        about.write_text("[]" if harm == "list" else json.dumps({"name": "content"}))
    else:
        made.path.write_bytes(b"c0ntent" if harm == "flipped" else b"con")
    assert kept("key", cache=cache) is None
    known = []

    def fetch(file, facts):
        known.append(facts)
        return gives(b"content")(file, facts)

    assert cached("key", fetch, cache=cache).path.read_bytes() == b"content"
    assert known == [None]


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("data.csv.gz", "data.csv.gz"),
        ("../../etc/passwd", "etc-passwd"),
        (".hidden", "hidden"),
        ("", "content"),
        ("a b?c=d.csv", "a-b-c-d.csv"),
        ("x" * 300 + ".csv", "x" * 96 + ".csv"),
    ],
)
def test_names_are_plain(cache, name, spelled):
    assert cached("key", gives(b"content"), name=name, cache=cache).path.name == spelled


def test_a_cache_that_cannot_be_written_to_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"the cache .* must be a folder that can be written to: .*BENCH_CACHE"):
        cached("key", gives(b"content"), cache=tmp_path / "file")


def test_a_full_disk_is_told(cache):
    def full(file, known):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StoreError, match="No space left on device"):
        cached("key", full, cache=cache)
