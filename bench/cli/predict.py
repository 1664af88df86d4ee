"""``bench predict``: predictions of a run's model for new rows."""

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import options
from bench.cli.tools import tell


def predict(
    run: options.RunFolder,
    data: Annotated[str, typer.Argument(help="File, folder, pattern of files or address with the rows to predict.")],
    output: Annotated[Path, typer.Option(help="File to write: .csv, .parquet or .jsonl.")],
    model: Annotated[
        str | None, typer.Option(help="Row of the board to predict with. [default: see decisions.json]")
    ] = None,
    sep: options.Sep = None,
    encoding: options.Encoding = None,
    decimal: options.Decimal = None,
    null: options.Null = None,
    bad_lines: options.BadLines = None,
) -> None:
    """Predict with a run's best model, or with any other row of its board.

    Writes `prediction` and, for classes, `probability_<label>` a class. What was missing by --null in the run's data is
    missing here, too.
    """
    import polars as pl

    from bench.errors import RequestError
    from bench.spec import make_spec, read_config
    from bench.store import replacing
    from bench.unpack import predictor_for

    writers = {".csv": "write_csv", ".parquet": "write_parquet", ".jsonl": "write_ndjson"}
    if output.suffix not in writers:
        raise RequestError(f"--output must end in {', '.join(writers)}, got {str(output)!r}.")

    predictor = predictor_for(run, model, tell)
    learned = read_config(run / "spec.yaml").get("null", []) if (run / "spec.yaml").is_file() else []
    asked = {"sep": sep, "encoding": encoding, "decimal": decimal, "null": [*learned, *(null or [])]}
    reading = make_spec(dataset=data, bad_lines=bad_lines, **asked).reading
    predictions = predictor.predict_frame(data, model, reading)
    for note in predictor.notes:
        tell(note)
    if output.suffix == ".csv" and predictions["prediction"].dtype == pl.Boolean:
        # As the names of the columns beside it spell the labels; CSV itself has no booleans.
        predictions = predictions.with_columns(pl.Series("prediction", [*map(str, predictions["prediction"])]))
    try:
        with replacing(output) as temporary:
            getattr(predictions, writers[output.suffix])(temporary)
    except OSError as error:
        raise RequestError(f"--output must be a file that can be written, got {str(output)!r}: {error}.") from error
    fitted = ", fitted on all rows" if predictor.fitted_on == "all rows" else ""
    tell(f"{predictions.height} predictions of {model or predictor.default}{fitted}: {output}")
