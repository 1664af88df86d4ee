"""A server on this machine that answers as OpenML does; the tables are our own."""

import contextlib
import hashlib
import io
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

import polars as pl

NAMESPACE = 'xmlns:oml="http://openml.org/openml"'
#: Thirty cars with an identifier, a column to ignore, a nominal one stored as numbers, and a target of three labels.
CARS = pl.DataFrame(
    {
        "id": range(100, 130),
        "doors": [2, 4, 5] * 10,
        "price": [index * 7 % 11 + 0.5 for index in range(30)],
        "electric": [True, False, False] * 10,
        "remark": ["none", "old"] * 15,
        "class": [("acc", "unacc", "good")[index * 11 // 7 % 3] for index in range(30)],
    }
)
TYPES = {"doors": "nominal", "electric": "nominal", "remark": "string", "class": "nominal"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What is sent back, after a ``pause`` in seconds; a ``length`` other than the body's breaks the connection off."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pause: float = 0.0
    length: int | None = None


class Service:
    """The server: paths with their answers, of which the last is repeated, and the paths that were asked for."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.root = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.asked.append(self.path)
                answers = service.answers.get(self.path)
                answer = refusal(404, "") if answers is None else answers.pop(0) if len(answers) > 1 else answers[0]
                time.sleep(answer.pause)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(answer.length or len(answer.body)))
                self.end_headers()
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # whoever asked has lost patience
                    self.wfile.write(answer.body)

            def log_message(self, *args: object) -> None:
                pass

        return Handler

    def say(self, path: str, *answers: Answer) -> None:
        self.answers[path] = list(answers)

    def document(self, path: str, text: str) -> None:
        self.say(f"/api/v1/xml/{path}", Answer(body=text.encode()))

    def refuse(self, path: str, code: int, message: str) -> None:
        self.say(f"/api/v1/xml/{path}", refusal(code, message))

    def dataset(
        self,
        number: int,
        frame: pl.DataFrame = CARS,
        *,
        types: dict[str, str] = TYPES,
        extra: str = "<oml:default_target_attribute>class</oml:default_target_attribute>",
        ignored: tuple[str, ...] = ("remark",),
        identifiers: tuple[str, ...] = ("id",),
        parquet: bool = True,
        arff: bytes | None = None,
    ) -> None:
        """Publish a dataset: its description, its features and its files."""
        rows = io.BytesIO()
        frame.write_parquet(rows)
        files = ""
        if arff is not None:
            self.say(f"/data/v1/download/{number}/cars.arff", Answer(body=arff))
            files += f"<oml:url>{self.root}/data/v1/download/{number}/cars.arff</oml:url>\n"
        if parquet:
            self.say(f"/dataset{number}/dataset_{number}.pq", Answer(body=rows.getvalue()))
            files += f"<oml:parquet_url>{self.root}/dataset{number}/dataset_{number}.pq</oml:parquet_url>\n"
        self.document(
            f"data/{number}",
            f"<oml:data_set_description {NAMESPACE}>\n<oml:id>{number}</oml:id>\n<oml:name>cars</oml:name>\n"
            "<oml:version>3</oml:version>\n<oml:description>Doors &lt; 6 &amp; more</oml:description>\n"
            f"<oml:format>ARFF</oml:format>\n<oml:licence>CC0</oml:licence>\n{files}{extra}\n"
            "<oml:status>active</oml:status>\n"
            f"<oml:md5_checksum>{hashlib.md5(arff or b'').hexdigest()}</oml:md5_checksum>\n</oml:data_set_description>",
        )
        features = "".join(
            f"<oml:feature>\n<oml:index>{index}</oml:index>\n<oml:name>{escape(name)}</oml:name>\n"
            f"<oml:data_type>{types.get(name, 'numeric')}</oml:data_type>\n<oml:is_target>false</oml:is_target>\n"
            f"<oml:is_ignore>{str(name in ignored).lower()}</oml:is_ignore>\n"
            f"<oml:is_row_identifier>{str(name in identifiers).lower()}</oml:is_row_identifier>\n"
            "<oml:number_of_missing_values>0</oml:number_of_missing_values>\n</oml:feature>\n"
            for index, name in enumerate(frame.columns)
        )
        self.document(f"data/features/{number}", f"<oml:data_features {NAMESPACE}>\n{features}</oml:data_features>")

    def task(
        self,
        number: int,
        *,
        data: int = 7,
        target: str = "class",
        kind: int = 1,
        splits: str | None = None,
        measure: str = "predictive_accuracy",
    ) -> None:
        """Publish a task on a dataset; ``splits`` are the lines of its file."""
        url = ""
        if splits is not None:
            path = f"/api_splits/get/{number}/Task_{number}_splits.arff"
            self.say(path, Answer(body=(SPLITS_HEADER + splits).encode()))
            url = f"<oml:data_splits_url>{self.root}{path}</oml:data_splits_url>\n"
        measures = f"<oml:evaluation_measure>{measure}</oml:evaluation_measure>\n" if measure else ""
        name = {1: "Supervised Classification", 2: "Supervised Regression", 5: "Clustering"}[kind]
        self.document(
            f"task/{number}",
            f"<oml:task {NAMESPACE}>\n\t<oml:task_id>{number}</oml:task_id>\n"
            f"\t<oml:task_type_id>{kind}</oml:task_type_id>\n\t<oml:task_type>{name}</oml:task_type>\n"
            '\t      <oml:input name="source_data">\n    <oml:data_set>\n'
            f"<oml:data_set_id>{data}</oml:data_set_id>\n<oml:target_feature>{target}</oml:target_feature>\n"
            '</oml:data_set>  </oml:input>\n\t      <oml:input name="estimation_procedure">\n'
            f"    <oml:estimation_procedure>\n<oml:id>1</oml:id>\n<oml:type>crossvalidation</oml:type>\n{url}"
            '<oml:parameter name="number_repeats">1</oml:parameter>\n</oml:estimation_procedure>  </oml:input>\n'
            f'\t      <oml:input name="evaluation_measures">\n    <oml:evaluation_measures>\n{measures}'
            "</oml:evaluation_measures>  </oml:input>\n</oml:task>",
        )

    def suite(self, name: str | int, tasks: tuple[int, ...], kind: str = "task") -> None:
        """Publish a suite, by number or alias."""
        listed = "".join(f"        <oml:task_id>{task}</oml:task_id>\n" for task in tasks)
        self.document(
            f"study/{name}",
            f"<oml:study {NAMESPACE}>\n  <oml:id>99</oml:id>\n  <oml:alias>cars-suite</oml:alias>\n"
            f"  <oml:main_entity_type>{kind}</oml:main_entity_type>\n  <oml:name>Cars of all kinds</oml:name>\n"
            "  <oml:data>\n        <oml:data_id>7</oml:data_id>\n  </oml:data>\n"
            f"  <oml:tasks>\n{listed}  </oml:tasks>\n</oml:study>",
        )

    def named(self, name: str, *found: tuple[int, int]) -> None:
        """Publish the active datasets of a name, by number and version."""
        listed = "".join(
            f"  <oml:dataset>\n    <oml:did>{number}</oml:did>\n    <oml:name>{name}</oml:name>\n"
            f"    <oml:version>{version}</oml:version>\n    <oml:status>active</oml:status>\n"
            '    <oml:format>ARFF</oml:format>\n    <oml:quality name="NumberOfInstances">30.0</oml:quality>\n'
            "  </oml:dataset>\n"
            for number, version in found
        )
        self.document(f"data/list/data_name/{name}/status/active", f"<oml:data {NAMESPACE}>\n{listed}</oml:data>")


SPLITS_HEADER = """@relation cars_splits

@attribute type {TRAIN,TEST}
@attribute rowid numeric
@attribute repeat numeric
@attribute fold numeric

@data
"""


def as_arff(frame: pl.DataFrame, types: dict[str, str] = TYPES) -> bytes:
    """Spell a table as OpenML's ARFF files do; true and false are nominal there."""
    spelled = frame.select(pl.all().cast(pl.String))
    lines = ["@RELATION cars", ""]
    for series in spelled.get_columns():
        kind = types.get(series.name, "REAL")
        kind = "{" + ",".join(series.unique().sort()) + "}" if kind == "nominal" else kind
        lines.append(f"@ATTRIBUTE {series.name} {kind}")
    lines += ["", "@DATA", *(",".join(row) for row in spelled.iter_rows())]
    return "\n".join(lines).encode() + b"\n"


def refusal(code: int, message: str) -> Answer:
    """An error document, as OpenML sends it under status 412; code 404 is a page that is not there."""
    if code == 404:
        return Answer(status=404, body=b"<!doctype html><html><body><h1>Not found</h1></body></html>")
    text = (
        f"<oml:error {NAMESPACE}>\n\t<oml:code>{code}</oml:code>\n\t<oml:message>{message}</oml:message>\n</oml:error>"
    )
    return Answer(status=412, body=text.encode())


def folds(n_rows: int, n_folds: int, repeats: int = 1) -> str:
    """Lines of a file of splits: in each repeat, each row is scored once."""
    return "".join(
        f"{'TEST' if (row + repeat) % n_folds == fold else 'TRAIN'},{row},{repeat},{fold}\n"
        for repeat in range(repeats)
        for fold in range(n_folds)
        for row in reversed(range(n_rows))
    )
