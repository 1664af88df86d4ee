"""OpenML: datasets, tasks with their splits and suites, from a server that is busy, down or changed."""

import re
from email.utils import formatdate

import numpy as np
import polars as pl
import pytest
from openml_fixture import CARS, NAMESPACE, SPLITS_HEADER, Answer, Service, as_arff, folds, refusal

from bench.dataset import load_dataset
from bench.errors import DataError, RequestError
from bench.sources import openml_server
from bench.sources.base import ReadOptions

OFFLINE = ReadOptions(offline=True)


@pytest.fixture
def service(monkeypatch, tmp_path):
    """A server that is asked in place of OpenML's own, with an empty cache and no patience."""
    server = Service()
    monkeypatch.setenv("BENCH_OPENML_URL", f"{server.root}/api/v1")
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(openml_server, "WAITS", (0.0, 0.0))
    yield server
    server.stop()


# Datasets


def test_a_dataset_by_number(service):
    service.dataset(7)
    dataset = load_dataset("openml:7")
    assert (dataset.name, dataset.source, dataset.target, dataset.task) == ("cars", "openml:7", "class", None)
    assert dataset.frame.columns == ["doors", "price", "electric", "class"]
    assert dataset.frame["doors"].to_list()[:3] == ["2", "4", "5"]
    kinds = {column.name: column.kind for column in dataset.columns}
    assert kinds == {"doors": "categorical", "price": "numeric", "electric": "boolean", "class": "categorical"}
    assert dataset.notes == (
        "column 'id' was left out: OpenML calls it a row identifier",
        "column 'remark' was left out: OpenML says to ignore it",
    )


def test_a_second_time_nothing_is_asked(service):
    service.dataset(7)
    first = load_dataset("openml:7")
    asked = list(service.asked)
    again, offline = load_dataset("openml:7"), load_dataset("openml:7", options=OFFLINE)
    assert service.asked == asked
    assert first.fingerprint == again.fingerprint == offline.fingerprint


def test_offline_says_what_is_missing(service):
    with pytest.raises(DataError, match=r"xml/data/7 is not in the cache, and --offline forbids to ask for it"):
        load_dataset("openml:7", options=OFFLINE)
    assert service.asked == []


def test_old_descriptions_join_what_to_ignore(service):
    extra = "<oml:ignore_attribute>price,remark</oml:ignore_attribute><oml:row_id_attribute>id</oml:row_id_attribute>"
    service.dataset(7, extra=extra, ignored=(), identifiers=())
    dataset = load_dataset("openml:7")
    assert dataset.frame.columns == ["doors", "electric", "class"]
    assert dataset.target is None


def test_a_dataset_without_a_list_of_features(service):
    service.dataset(7)
    service.refuse("data/features/7", 273, "Dataset not processed yet")
    dataset = load_dataset("openml:7")
    assert dataset.frame.columns == CARS.columns
    assert "OpenML has no list of features of 7, so kinds of columns are found in the values alone" in dataset.notes


def test_a_target_that_is_no_column(service):
    service.dataset(7, extra="<oml:default_target_attribute>a,b</oml:default_target_attribute>")
    dataset = load_dataset("openml:7")
    assert dataset.target is None
    assert "OpenML names 'a,b' as the target, which is no column; --target names one" in dataset.notes


def test_a_dataset_by_name_is_its_newest_version(service):
    service.dataset(7)
    service.named("cars", (3, 1), (7, 3), (5, 2))
    dataset = load_dataset("openml:cars")
    assert dataset.source == "openml:7"
    assert dataset.notes[0] == (
        "openml:cars is dataset 7, version 3, the newest of 3; the others are openml:3 (version 1), "
        "openml:5 (version 2)"
    )


def test_names_are_asked_anew_unless_there_is_no_server(service, caplog):
    service.dataset(7)
    service.named("cars", (7, 3))
    assert load_dataset("openml:cars").notes[0] == "openml:cars is dataset 7, version 3"
    path = "/api/v1/xml/data/list/data_name/cars/status/active"
    service.say(path, Answer(status=500, body=b""))
    load_dataset("openml:cars")
    assert service.asked.count(path) == 4
    assert "answers 500" in caplog.text
    assert "The answer in the cache is used" in caplog.text
    load_dataset("openml:cars", options=OFFLINE)
    assert service.asked.count(path) == 4


def test_a_name_that_is_none(service):
    service.refuse("data/list/data_name/carz/status/active", 372, "No results")
    with pytest.raises(DataError, match="OpenML has no active dataset called 'carz'"):
        load_dataset("openml:carz")


def test_an_unknown_number(service):
    service.refuse("data/8", 111, "Unknown dataset")
    with pytest.raises(DataError, match=r"OpenML refuses .*/data/8 \(111\): Unknown dataset"):
        load_dataset("openml:8")
    assert service.asked == ["/api/v1/xml/data/8"]
    service.dataset(8)  # a refusal is not kept
    assert load_dataset("openml:8").target == "class"


@pytest.mark.parametrize("reference", ["openml:", "openml:task/x", "openml:task/", "openml:a/b", "openml:run/3"])
def test_references_of_no_known_form(reference):
    with pytest.raises(RequestError, match=r"must be openml:NUMBER, openml:NAME, openml:task/NUMBER or openml:suite/"):
        load_dataset(reference)


def test_a_server_must_have_an_address(monkeypatch):
    monkeypatch.setenv("BENCH_OPENML_URL", "ftp://openml.org")
    with pytest.raises(RequestError, match="BENCH_OPENML_URL must be an address such as https"):
        load_dataset("openml:7")


# A server that is busy, down, or answers what it should not


@pytest.mark.parametrize(
    "busy",
    [
        Answer(status=503, body=b"", headers={"Retry-After": "0"}),
        Answer(status=429, body=b"", headers={"Retry-After": formatdate(0, usegmt=True)}),
        refusal(107, "Database connection error. Usually due to high server load."),
        Answer(body=b"half of it", length=100),
    ],
    ids=["503", "429", "107", "cut short"],
)
def test_a_busy_server_is_asked_again(service, busy):
    service.dataset(7)
    path = "/dataset7/dataset_7.pq"
    service.say(path, busy, busy, *service.answers[path])
    assert load_dataset("openml:7").frame.height == 30
    assert service.asked.count(path) == 3


def test_patience_ends(service):
    service.dataset(7)
    service.say("/api/v1/xml/data/7", Answer(status=503, body=b""))
    with pytest.raises(DataError, match=r"cannot be reached: .*/data/7 answers 503 .*, in 3 tries\. Try again later"):
        load_dataset("openml:7")
    assert len(service.asked) == 3


def test_a_long_pause_is_not_waited_for(service):
    service.say("/api/v1/xml/data/7", Answer(status=503, body=b"", headers={"Retry-After": "3600"}))
    with pytest.raises(DataError, match="answers 503 Service Unavailable, and asks to wait 3600 s"):
        load_dataset("openml:7")
    assert len(service.asked) == 1


def test_a_pause_that_the_server_asks_for_is_made_and_told(service, monkeypatch, caplog):
    pauses = []
    monkeypatch.setattr(openml_server.time, "sleep", pauses.append)
    service.dataset(7)
    path = "/api/v1/xml/data/7"
    service.say(path, Answer(status=503, body=b"", headers={"Retry-After": "7"}), *service.answers[path])
    assert load_dataset("openml:7").frame.height == 30
    assert 7.0 in pauses
    assert "answers 503 Service Unavailable; trying again in 7 s, as it asks for" in caplog.text


def test_a_slow_server(service, monkeypatch):
    monkeypatch.setattr(openml_server, "TIMEOUTS", (1.0, 0.05))
    monkeypatch.setattr(openml_server, "WAITS", ())
    service.say("/api/v1/xml/data/7", Answer(body=b"", pause=0.3))
    with pytest.raises(DataError, match=r"does not answer in time \(1 s to connect, 0.05 s of silence\)"):
        load_dataset("openml:7")


def test_a_server_that_is_down(service):
    service.stop()
    with pytest.raises(DataError, match=r"OpenML cannot be reached: .* refuses the connection, in 3 tries"):
        load_dataset("openml:7")


def test_a_server_without_a_name(monkeypatch, service):
    monkeypatch.setenv("BENCH_OPENML_URL", "http://openml.invalid/api/v1")
    with pytest.raises(DataError, match="a name that cannot be resolved; is this machine online"):
        load_dataset("openml:7")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<html><body>Login</body></html>", "must answer with a 'data_set_description', got a 'html'"),
        ("{}", "must answer with XML, but not well-formed"),
        (f"<oml:data_set_description {NAMESPACE}>", "must answer with XML, but no element found"),
        (
            '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><oml:data_set_description/>',
            "must answer with XML, but it declares a document type",
        ),
        (f"<oml:data_set_description {NAMESPACE}/>", "OpenML names no file for dataset"),
    ],
)
def test_answers_of_another_shape(service, text, message):
    service.dataset(7)
    service.document("data/7", text)
    with pytest.raises(DataError, match=message):
        load_dataset("openml:7")


def test_too_much_xml(service, monkeypatch):
    monkeypatch.setattr(openml_server, "_MOST_BYTES_OF_XML", 100)
    service.dataset(7)
    with pytest.raises(DataError, match="must answer with at most 0 MiB of XML"):
        load_dataset("openml:7")


def test_too_much_data(service, monkeypatch):
    monkeypatch.setattr(openml_server, "_MOST_BYTES", 100)
    service.dataset(7)
    with pytest.raises(DataError, match=r"must be at most .* GiB"):
        load_dataset("openml:7")


def test_rows_that_are_no_parquet_are_not_kept(service):
    service.dataset(7)
    path = "/dataset7/dataset_7.pq"
    good = service.answers[path][0]
    service.say(path, Answer(body=good.body[:200]))
    with pytest.raises(DataError, match=r"dataset_7\.pq' is damaged or cut short .*Get the file again"):
        load_dataset("openml:7")
    service.say(path, good)
    assert load_dataset("openml:7").frame.height == 30


def test_rows_that_do_not_fit_their_description(service):
    service.dataset(8, CARS.drop("price"))
    service.dataset(7)
    service.say("/dataset7/dataset_7.pq", *service.answers["/dataset8/dataset_8.pq"])
    with pytest.raises(DataError, match="must have the 6 columns that its list of features has, got 5"):
        load_dataset("openml:7")


def test_a_changed_checksum(service):
    service.dataset(7, parquet=False, arff=b"@relation cars\n")
    service.say("/data/v1/download/7/cars.arff", Answer(body=b"@relation vans\n"))
    with pytest.raises(DataError, match=r"cars\.arff must have the MD5 that OpenML states, \w{32}, got \w{32}"):
        load_dataset("openml:7")


def test_files_come_by_http_alone(service):
    service.dataset(7)
    described = service.answers["/api/v1/xml/data/7"][0].body.decode()
    service.document("data/7", re.sub(r"http://[^<]*pq", "file:///etc/passwd", described))
    with pytest.raises(DataError, match="must name a file by http or https, got 'file:///etc/passwd'"):
        load_dataset("openml:7")


def test_what_is_damaged_in_the_cache_is_downloaded_again(service, tmp_path):
    service.dataset(7)
    load_dataset("openml:7")
    (kept,) = (tmp_path / "cache").rglob("dataset_7.pq")
    kept.write_bytes(kept.read_bytes()[:-1] + b"x")
    with pytest.raises(DataError, match=r"dataset_7\.pq is not in the cache"):
        load_dataset("openml:7", options=OFFLINE)
    assert load_dataset("openml:7").frame.height == 30
    assert service.asked.count("/dataset7/dataset_7.pq") == 2


# Tasks


def test_a_task_brings_target_metric_and_folds(service):
    service.dataset(7)
    service.task(31, splits=folds(30, 5, repeats=2))
    dataset = load_dataset("openml:task/31")
    assert (dataset.source, dataset.target, dataset.task) == ("openml:task/31", "class", "multiclass")
    assert dataset.metric == "accuracy"
    assert dataset.splits.origin == "OpenML task 31"
    assert dataset.splits.roles.dtype == np.int8
    assert dataset.splits.repeats.tolist() == [0] * 5 + [1] * 5
    expected = [
        [2 if (row + repeat) % 5 == fold else 1 for row in range(30)] for repeat in range(2) for fold in range(5)
    ]
    assert dataset.splits.roles.tolist() == expected


def test_a_holdout_is_one_fold(service):
    service.dataset(7)
    lines = "".join(f"{'TEST' if row < 10 else 'TRAIN'},{row},0,0\n" for row in range(28))
    service.task(31, splits="% made by hand\n" + lines, measure="")
    dataset = load_dataset("openml:task/31")
    assert dataset.splits.roles.tolist() == [[2] * 10 + [1] * 18 + [0] * 2]
    assert dataset.metric is None


def test_a_regression_task_predicts_what_it_names(service):
    service.dataset(7, identifiers=("price",))
    service.task(32, target="price", kind=2, measure="root_relative_squared_error")
    dataset = load_dataset("openml:task/32")
    assert (dataset.target, dataset.task, dataset.metric, dataset.splits) == ("price", "regression", None, None)
    assert "OpenML task 32 has no official splits" in dataset.notes
    assert any("root_relative_squared_error on OpenML, which bench does not have" in note for note in dataset.notes)


def test_a_binary_task(service):
    service.dataset(7)
    service.task(33, target="remark")
    assert load_dataset("openml:task/33").task == "binary"


def test_splits_that_score_what_was_learned_are_not_used(service):
    service.dataset(7)
    service.task(31, splits="".join(f"TRAIN,{row},0,0\nTEST,{row},0,0\n" for row in range(30)))
    dataset = load_dataset("openml:task/31")
    assert dataset.splits is None
    assert any("score rows that are learned from, and are not used" in note for note in dataset.notes)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("TRAIN,0,0,0\nTEST,30,0,0\n", "must be of the 30 rows of its data, and are not"),
        ("TRAIN,0,0,0\nTRAIN,1,0,0\n", "each fold .* must have rows to learn from and rows to score"),
        ("TRAIN,0,0,0\nVALID,1,0,0\n", "must hold TRAIN or TEST and three numbers"),
        ("TRAIN,0,0,0\nTEST,?,0,0\n", "cannot be read"),
        ("TRAIN,0,0,0\nTEST,1\n", "must hold TRAIN or TEST and three numbers"),
        ("", "(cannot be read|must hold TRAIN or TEST)"),
    ],
)
def test_splits_of_another_shape(service, lines, message):
    service.dataset(7)
    service.task(31, splits=lines)
    with pytest.raises(DataError, match=f"splits of OpenML task 31 {message}|{message}"):
        load_dataset("openml:task/31")


@pytest.mark.parametrize("header", ["", SPLITS_HEADER.replace("rowid", "row"), SPLITS_HEADER.replace("@data", "")])
def test_splits_without_their_columns(service, header):
    service.dataset(7)
    service.task(31, splits="")
    service.say("/api_splits/get/31/Task_31_splits.arff", Answer(body=header.encode() + folds(30, 2).encode()))
    with pytest.raises(DataError, match="must be ARFF with the columns type, rowid, repeat, fold"):
        load_dataset("openml:task/31")


def test_splits_that_the_server_cannot_make(service):
    service.dataset(7)
    service.task(31, splits="")
    service.say("/api_splits/get/31/Task_31_splits.arff", Answer(status=412, body=b"failed to perform action"))
    with pytest.raises(DataError, match=r"OpenML refuses .*Task_31_splits.arff \(412\): failed to perform action"):
        load_dataset("openml:task/31")


def test_tasks_that_cannot_be_run(service):
    service.dataset(7)
    service.task(34, kind=5)
    with pytest.raises(RequestError, match="must be a classification or a regression to be run; task 34 is Clustering"):
        load_dataset("openml:task/34")
    service.task(35, target="wheels")
    with pytest.raises(DataError, match="task 35 predicts 'wheels', which is no column of its data"):
        load_dataset("openml:task/35")
    service.refuse("task/36", 151, "Unknown task")
    with pytest.raises(DataError, match=r"\(151\): Unknown task"):
        load_dataset("openml:task/36")


# Commands


def test_a_suite_is_no_dataset(service, cli):
    told = cli("run", "--dataset", "openml:suite/99")
    assert told.code == 2
    assert "a run has one dataset, and 'openml:suite/99' is a suite of many" in told.err
    assert "`bench list suites openml:suite/99`" in told.err
    assert service.asked == []


def test_suites_of_openml_are_listed(service, cli):
    service.suite(99, (31, 32))
    told = cli("list", "suites", "openml:suite/99")
    assert (told.code, "openml:task/31" in told.out, "openml:task/32" in told.out) == (0, True, True)
    service.suite("cars-suite", (31,))
    assert "openml:task/31" in cli("list", "suites", "openml:suite/cars-suite").out
    assert "openml:task/31" in cli("list", "suites", "openml:suite/cars-suite", "--offline").out


@pytest.mark.parametrize(("tasks", "kind"), [((), "task"), ((31,), "run")])
def test_studies_that_are_no_suites(service, cli, tasks, kind):
    service.suite(98, tasks, kind)
    told = cli("list", "suites", "openml:suite/98")
    assert told.code == 2
    assert "must be a suite of tasks, but OpenML's study 99 is none" in told.err


def test_a_task_is_run(service, cli, tmp_path):
    service.dataset(7)
    service.task(31, splits=folds(30, 3))
    told = cli(
        *("run", "--dataset", "openml:task/31", "--trials", 1, "--families", "linear", "--engine", "local"),
        *("--cpus", 1, "--no-track", "--quiet", "--output", tmp_path / "out"),
    )
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith("accuracy (higher is better)")


def test_a_card_downloads_by_itself(service, cli):
    service.dataset(40975, identifiers=("id", "class"))
    told = cli("fetch", "car")
    assert (told.code, told.err) == (0, "")
    assert told.out == "car: 30 rows, 4 columns are in the cache, from openml:40975\n"
    asked = len(service.asked)
    dataset = load_dataset("car", options=OFFLINE)
    assert (dataset.name, dataset.source, dataset.target, dataset.task) == (
        "car",
        "openml:40975",
        "class",
        "multiclass",
    )
    assert "the card of 'car' states 1728 rows, the data has 30" in dataset.notes
    listed = {line.split("│")[1].strip(): line for line in cli("list", "datasets").out.splitlines() if "│" in line}
    assert "in the cache" in listed["car"]
    assert "downloads when used" in listed["adult"]
    assert len(service.asked) == asked


def test_a_card_with_other_names_than_openml(service, cli):
    service.dataset(40975, CARS.rename({"class": "klass"}))
    told = cli("fetch", "car")
    assert told.code == 2
    assert "must have the target column 'class'" in told.err
    assert "run openml:40975 with --target, or bring a file with the card's names: `bench fetch car --from" in told.err


def test_a_card_that_cannot_be_downloaded_can_be_brought(service):
    service.stop()
    for options in (ReadOptions(), OFFLINE):
        with pytest.raises(DataError, match=r"Or bring the data by other means: `bench fetch car --from FILE`\."):
            load_dataset("car", options=options)


def test_references_are_fetched_too(service, cli):
    service.dataset(7)
    assert "openml:7: 30 rows, 4 columns are in the cache" in cli("fetch", "openml:7").out
    told = cli("check", "openml:7", "--offline")
    assert told.code in (0, 1)
    assert "cars: 30 rows, 4 columns" in told.out


def test_rows_come_from_arff_where_there_is_no_parquet(service):
    service.dataset(7, parquet=False, arff=as_arff(CARS))
    service.dataset(8)
    assert load_dataset("openml:7").fingerprint == load_dataset("openml:8").fingerprint
    assert load_dataset("openml:7", options=OFFLINE).columns == load_dataset("openml:8").columns


def test_rows_come_from_arff_where_parquet_cannot_be_had(service):
    service.dataset(7, arff=as_arff(CARS))
    service.say("/dataset7/dataset_7.pq", Answer(status=403, body=b"<Error>AccessDenied</Error>"))
    dataset = load_dataset("openml:7")
    assert dataset.frame.height == 30
    assert dataset.notes[0].startswith(
        "rows come from OpenML's ARFF file; its parquet file could not be had (OpenML re"
    )
    assert "(403): AccessDenied" in dataset.notes[0]


def test_arff_that_cannot_be_read(service):
    service.dataset(7, parquet=False, arff=b"@relation cars\n@attribute id numeric\n@data\n1,2\n")
    with pytest.raises(DataError, match=r"cars\.arff' must have 1 values in every row"):
        load_dataset("openml:7")


def test_kinds_of_nominal_numbers_are_spelled_whole(service):
    frame = pl.DataFrame({"code": [1.0, 2.0, None] * 10, "class": ["a", "b"] * 15})
    service.dataset(7, frame, types={"code": "nominal", "class": "nominal"})
    assert load_dataset("openml:7").frame["code"].to_list()[:3] == ["1", "2", None]
