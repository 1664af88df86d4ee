"""Tables over http and from object stores: a local http server that misbehaves as told, and a local S3."""

import contextlib
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import polars as pl
import pytest
from conftest import table

from bench.dataset import load_dataset
from bench.errors import DataError, RequestError
from bench.sources import cache, http, read_source
from bench.sources.base import ReadOptions
from bench.spec import make_spec

BINARY = table("binary")
CSV = BINARY.write_csv().encode()
OFFLINE = ReadOptions(offline=True)


class Web:
    """What the http server has been asked, and how it answers each path: a list of answers, the last one for good."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.answers: dict[str, list] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []

    def put(self, path: str, *answers) -> str:
        """Each answer is bytes, a status, or a function of the request's handler."""
        self.answers[path] = list(answers)
        return self.address + path


def reply(handler, status=200, body=b"", **headers):
    handler.send_response(status)
    for name, value in ({"Content_Length": str(len(body))} | headers).items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


@contextlib.contextmanager
def serving(wrap=None) -> Iterator[Web]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            web.asked.append((self.path, dict(self.headers)))
            answers = web.answers.get(self.path, [404])
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if callable(answer):
                answer(self)
            elif isinstance(answer, int):
                reply(self, answer)
            else:
                reply(self, body=answer)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if wrap:
        server.socket = wrap(server.socket)
    web = Web(f"http{'s' * bool(wrap)}://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def web():
    with serving() as made:
        yield made


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A cache of its own, no proxy between, and short waits."""
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(http, "_PAUSES", (0.01, 0.01, 0.01))
    monkeypatch.setattr(http, "_TIMEOUTS", (2.0, 2.0))


def tagged(body, etag='"1"', **headers):
    """Answers with content, or that it has not changed."""

    def answer(handler):
        fits = handler.headers.get("If-None-Match") == etag
        reply(handler, 304 if fits else 200, b"" if fits else body, ETag=etag, **headers)

    return answer


def read(reference, options=None):
    return read_source(reference, options or ReadOptions())


# --- http ------------------------------------------------------------------------------------------------------------


def test_http_reads_as_the_file_does(web):
    dataset = load_dataset(web.put("/some/binary.csv?rows=all", CSV))
    assert (dataset.name, dataset.source) == ("binary", f"{web.address}/some/binary.csv?rows=all")
    assert dataset.fingerprint == load_dataset(BINARY).fingerprint
    _, headers = web.asked[0]
    assert headers["Accept-Encoding"] == "identity"


def test_content_decides_and_options_reach_it(web):
    url = web.put("/download?id=5", BINARY.write_csv(separator="~").encode())
    assert read(url, ReadOptions(sep="~")).frame.columns == BINARY.columns


@pytest.mark.parametrize("ending", [".parquet", ".arrow", ".jsonl", ".csv.gz"])
def test_http_reads_every_format(web, tmp_path, ending):
    import gzip

    file = tmp_path / f"data{ending}"
    if ending == ".csv.gz":
        file.write_bytes(gzip.compress(CSV))
    else:
        getattr(BINARY, {".parquet": "write_parquet", ".arrow": "write_ipc", ".jsonl": "write_ndjson"}[ending])(file)
    assert read(web.put(f"/data{ending}", file.read_bytes())).frame.height == 120


def test_what_has_not_changed_is_not_sent_again(web, tmp_path):
    url = web.put("/data.csv", tagged(CSV))
    first, second = read(url), read(url)
    assert second.frame.equals(first.frame)
    assert [headers.get("If-None-Match") for _, headers in web.asked] == [None, '"1"']
    web.put("/data.csv", tagged(CSV.replace(b"red", b"rot"), etag='"2"'))
    assert "rot" in read(url).frame["colour"].to_list()


def test_dates_serve_where_there_is_no_tag(web):
    then = "Tue, 01 Oct 2024 00:00:00 GMT"

    def dated(handler):
        fits = handler.headers.get("If-Modified-Since") == then
        reply(handler, 304 if fits else 200, b"" if fits else CSV, Last_Modified=then)

    url = web.put("/data.csv", dated)
    assert read(url).frame.equals(read(url).frame)
    assert web.asked[1][1]["If-Modified-Since"] == then


def test_a_damaged_copy_is_fetched_again(web, tmp_path):
    url = web.put("/data.csv", tagged(CSV))
    read(url)
    (copy,) = (tmp_path / "cache").rglob("data.csv")
    copy.write_bytes(CSV[:-1] + b"X")
    with pytest.raises(DataError, match="is not in the cache"):
        read(url, OFFLINE)
    assert read(url).frame.height == 120
    assert [headers.get("If-None-Match") for _, headers in web.asked] == [None, None]


def test_offline_takes_what_is_there(web):
    url = web.put("/data.csv?token=abc", CSV)
    with pytest.raises(DataError, match=r"/data.csv\?token=\*\*\* is not in the cache .*Run once without --offline"):
        read(url, OFFLINE)
    assert web.asked == []
    online = read(url)
    assert read(url.replace("abc", "another"), OFFLINE).frame.equals(online.frame)
    with pytest.raises(DataError, match="is not in the cache"):
        read(web.address + "/other.csv", OFFLINE)
    assert len(web.asked) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_failures_are_tried_again(web, status):
    assert read(web.put("/data.csv", status, status, CSV)).frame.height == 120
    assert len(web.asked) == 3


def test_a_server_that_stays_down_is_told(web):
    with pytest.raises(DataError, match=r"could not be fetched: the server answers 503 .*, 4 times\. Try again later"):
        read(web.put("/data.csv", 503))
    assert len(web.asked) == 4


def test_a_server_says_when_to_come_back(web, monkeypatch):
    pauses = []
    monkeypatch.setattr(http.time, "sleep", pauses.append)
    read(web.put("/data.csv", *(lambda h, s=s: reply(h, 503, Retry_After=s) for s in ("7", "999", "soon")), CSV))
    assert pauses == [7.0, 30.0, 0.01]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (404, r"the server answers 404 Not Found\. Check the address\.$"),
        (403, r"the server answers 403 Forbidden\. Is the login in the address right"),
        (401, r"the server answers 401 Unauthorized\. Put the login into the address"),
        (204, r"the server answers 204"),
        (304, r"the server answers 304"),
        (418, r"the server answers 418"),
        (lambda h: reply(h, body=b"<html>", Content_Type="text/html; charset=utf-8"), r"a web page, not with a table"),
        (
            lambda h: reply(h, 302, Location="file:///etc/passwd"),
            r"it redirects to file:///etc/passwd, which is not ht",
        ),
        (lambda h: reply(h, 302, Location=h.path), r"Exceeded 30 redirects"),
        (b"", r"data.csv' is empty"),
        (b"a,b\n1,2,3\n", r"https?://127.*/data.csv' must have 2 fields in every line"),
    ],
)
def test_lasting_failures_are_told_at_once(web, answer, message):
    with pytest.raises(DataError, match=message):
        read(web.put("/data.csv", answer))
    assert len({path for path, _ in web.asked}) == 1
    assert len(web.asked) in (1, 31)


def cut(handler):
    reply(handler, body=CSV[:100], Content_Length=str(len(CSV)))


def slow(handler):
    handler.send_response(200)
    handler.end_headers()
    time.sleep(0.5)


def broken(handler):
    handler.connection.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (cut, r"the connection broke off before all had arrived, 4 times"),
        (broken, r"the connection broke off before all had arrived, 4 times"),
        (slow, r"'127.0.0.1' did not answer in time, 4 times"),
    ],
)
def test_broken_connections_are_tried_again(web, tmp_path, monkeypatch, fault, message):
    monkeypatch.setattr(http, "_TIMEOUTS", (2.0, 0.2))
    assert read(web.put("/good.csv", fault, CSV)).frame.height == 120
    with pytest.raises(DataError, match=message):
        read(web.put("/data.csv", fault))
    assert not list((tmp_path / "cache").rglob("data.csv"))
    assert not list((tmp_path / "cache").rglob(".fetch-*"))


def test_a_trickle_is_given_up(web, monkeypatch):
    def trickle(handler):
        reply(handler, Content_Length="1000")
        with contextlib.suppress(OSError):
            for _ in range(100):
                handler.wfile.write(b"x")
                time.sleep(0.02)

    monkeypatch.setattr(http, "_PATIENCE", 0.1)
    with pytest.raises(DataError, match=r"only \d+ bytes arrived in 0 s\. Download it by other means"):
        read(web.put("/data.csv", trickle))


@pytest.mark.parametrize("announced", [True, False])
def test_what_is_too_large_is_not_fetched(web, monkeypatch, announced):
    monkeypatch.setattr(cache, "MOST_BYTES", 1000)

    def answer(handler):
        if announced:
            reply(handler, body=CSV)
        else:  # the end of the connection is the end of the body
            handler.send_response(200)
            handler.end_headers()
            handler.wfile.write(CSV)

    with pytest.raises(DataError, match=r"can be fetched, and this is .*Download it by other means"):
        read(web.put("/data.csv", answer))


def test_nobody_there_is_told():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(DataError, match=r"'127.0.0.1' does not accept the connection"):
        read(f"http://127.0.0.1:{port}/data.csv?token=s3cret")
    with pytest.raises(DataError, match=r"there is no host 'no.such.host.invalid', or no network"):
        read("http://ann:s3cret@no.such.host.invalid/data.csv")


def test_a_login_is_sent_and_never_shown(web, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    url = web.put("/data.csv?token=t0ken", 503, CSV).replace("://", "://ann:s3cret@")
    raw = read(url)
    assert raw.source == f"http://***@{web.address.partition('//')[2]}/data.csv?token=***"
    assert [headers["Authorization"] for _, headers in web.asked] == ["Basic YW5uOnMzY3JldA=="] * 2
    kept = b"".join(path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert b"s3cret" not in kept
    assert b"t0ken" not in kept
    with pytest.raises(DataError) as raised:
        read(url.replace("/data", "/gone"))
    assert "s3cret" not in str(raised.value)
    assert "t0ken" not in str(raised.value)
    assert "s3cret" not in caplog.text


def test_a_redirect_leaves_the_login_behind(web):
    with serving() as other:
        other.put("/data.csv", CSV)
        # another name for the same machine is another host
        elsewhere = other.address.replace("127.0.0.1", "localhost") + "/data.csv"
        url = web.put("/go.csv", lambda h: reply(h, 302, Location=elsewhere))
        assert read(url.replace("://", "://ann:s3cret@")).frame.height == 120
        assert "Authorization" not in other.asked[0][1]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1, with its key, that nobody but this test trusts."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now.replace(year=9999))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem = serialization.Encoding.PEM
    path.write_bytes(made.public_bytes(pem) + key.private_bytes(pem, *plain))
    return path


def test_https_and_no_way_down(web, certificate, monkeypatch):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(lambda plain: context.wrap_socket(plain, server_side=True)) as safe:
        url = safe.put("/data.csv", CSV)
        with pytest.raises(DataError, match=r"no safe connection to '127.0.0.1' .*REQUESTS_CA_BUNDLE"):
            read(url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert read(url).frame.height == 120
        plain = web.put("/data.csv", CSV)
        down = safe.put("/down.csv", lambda h: reply(h, 301, Location=plain))
        with pytest.raises(DataError, match=r"it redirects to http://127.*, which is not https"):
            read(down)
        assert web.asked == []
        assert read(web.put("/up.csv", lambda h: reply(h, 301, Location=url))).frame.height == 120


def test_file_addresses(tmp_path):
    path = tmp_path / "with space.csv"
    path.write_bytes(CSV)
    dataset = load_dataset(path.as_uri())
    assert (dataset.name, dataset.frame.height) == ("with space", 120)
    with pytest.raises(RequestError, match="with three slashes"):
        read("file://data.csv")


@pytest.mark.parametrize(
    "address", ["https://", "https:///data.csv", "http://[::1/data.csv", "https://ann:s3c/ret@host/data.csv", "s3:data"]
)
def test_addresses_that_are_not_whole(address):
    with pytest.raises(RequestError, match=r"an address must be \w+://HOST/PATH, got .*%40, %2F and %23") as raised:
        read(address)
    assert "s3c" not in str(raised.value).partition("got")[2].replace("s3:", "")


def test_the_command_reads_addresses(web, cli):
    url = web.put("/data.csv", CSV)
    told = cli("check", url, "--target", "y")
    assert told.code == 0, told.err
    assert told.out.startswith("data: 120 rows")
    told = cli("check", web.address + "/gone.csv", "--target", "y")
    assert told.code == 2
    assert told.err.startswith("error: http://127.0.0.1")
    assert make_spec(dataset=url, offline=True).reading.offline


# --- object stores ---------------------------------------------------------------------------------------------------


def test_s3_reads_as_the_file_does(s3, tmp_path):
    for key in ("some/binary data.csv", "some/20% of #1.csv"):
        dataset = load_dataset(s3(key, CSV))
        assert (dataset.name, dataset.source) == (key.removeprefix("some/").removesuffix(".csv"), f"s3://bucket/{key}")
        assert dataset.fingerprint == load_dataset(BINARY).fingerprint


def test_s3_fetches_what_has_changed_and_no_more(s3, tmp_path):
    address = s3("data.parquet", parquet(BINARY))
    read(address)
    (copy,) = (tmp_path / "cache").rglob("data.parquet")
    before = copy.stat().st_ino
    assert read(address).frame.height == 120
    assert copy.stat().st_ino == before
    s3("data.parquet", parquet(BINARY.head(100)))
    assert read(address).frame.height == 100
    assert read(address, OFFLINE).frame.height == 100
    with pytest.raises(DataError, match=r"s3://bucket/other.csv is not in the cache"):
        read("s3://bucket/other.csv", OFFLINE)


def parquet(frame: pl.DataFrame) -> bytes:
    import io

    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("s3://bucket/some%20data.csv", r"^s3://bucket/some%20data.csv is not there"),
        ("s3://bucket/gone.csv", r"^s3://bucket/gone.csv is not there\. Check the address\."),
        ("s3://nowhere/data.csv", r"^s3://nowhere/data.csv is not there"),
        ("s3://bucket/folder", r"^s3://bucket/folder is a folder; it must be one object"),
        ("s3://bucket", r"must be s3://BUCKET/KEY, got s3://bucket"),
        ("s3://bucket/data.csv?colour=red", r"cannot be read: .*colour"),
        ("s3://ann:s3cret@bucket/gone.csv", r"^s3://\*\*\*@bucket/gone.csv is not there"),
    ],
)
def test_s3_refuses(s3, address, message):
    s3("folder/data.csv", CSV)
    with pytest.raises((DataError, RequestError), match=message) as raised:
        read(address)
    assert "s3cret" not in str(raised.value)


def test_s3_without_credentials_is_told(s3, monkeypatch, tmp_path):
    address = s3("data.csv", CSV)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(DataError, match=r"may not be read\. Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY\."):
        read(address)


def test_a_wrong_s3_server_is_told(s3, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "127.0.0.1:9000")
    with pytest.raises(RequestError, match="AWS_ENDPOINT_URL must be an address such as https://host:9000"):
        read("s3://bucket/data.csv")


@pytest.mark.slow  # the library tries again for seconds
def test_an_s3_server_that_is_down_is_told(s3, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(
        DataError, match=r"s3://bucket/data.csv is out of reach \(Failed to connect to 127.0.0.1 port 1"
    ):
        read("s3://bucket/data.csv")


def test_google_storage(web):
    import json

    facts = {"kind": "storage#object", "bucket": "bucket", "name": "some/data.csv", "generation": "1", "etag": "CAE="}
    facts |= {"size": str(len(CSV)), "updated": "2024-01-01T00:00:00.000Z", "timeCreated": "2024-01-01T00:00:00.000Z"}
    path = "/storage/v1/b/bucket/o/some%2Fdata.csv"
    web.put(path, json.dumps(facts).encode())
    web.put(path + "?alt=media", CSV)
    server = f"endpoint_override={web.address.removeprefix('http://')}&scheme=http"
    dataset = load_dataset(f"gs://anonymous@bucket/some/data.csv?{server}")
    assert (dataset.name, dataset.frame.height) == ("data", 120)
    assert dataset.source.startswith("gs://anonymous@bucket/some/data.csv")
    with pytest.raises(DataError, match=r"gs://anonymous@bucket/gone.csv\?.* is not there"):
        read(f"gs://anonymous@bucket/gone.csv?{server}")


def test_azure_needs_an_account(monkeypatch):
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT", raising=False)
    with pytest.raises(RequestError, match="az:// needs the name of the account in AZURE_STORAGE_ACCOUNT_NAME"):
        read("az://container/data.csv")


@pytest.mark.parametrize("scheme", ["gs", "az", "abfs"])
def test_other_stores_want_whole_addresses(scheme):
    with pytest.raises(RequestError, match=rf"must be {scheme}://BUCKET/KEY, got {scheme}://bucket\."):
        read(f"{scheme}://bucket")
    with pytest.raises(DataError, match=rf"{scheme}://bucket/data.csv is not in the cache '.*/cache', and --offline"):
        read(f"{scheme}://bucket/data.csv", OFFLINE)
