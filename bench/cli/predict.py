"""``bench predict``: predictions of a run's model for new rows."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def predict(
    run: Annotated[Path, typer.Argument(help="Folder of the run.")],
    data: Annotated[str, typer.Argument(help="File or address with the rows to predict.")],
    output: Annotated[Path, typer.Option(help="File to write: .csv, .parquet or .jsonl.")],
    model: Annotated[str | None, typer.Option(help="Row of the board to predict with. [default: the first]")] = None,
) -> None:
    """Predict with a run's best model, or with any other row of its board.

    Writes `prediction` and, for classes, `probability_<label>` a class.
    """
    from bench.errors import RequestError
    from bench.store import replacing
    from bench.text import printable
    from bench.unpack import predictor_for

    writers = {".csv": "write_csv", ".parquet": "write_parquet", ".jsonl": "write_ndjson"}
    if output.suffix not in writers:
        raise RequestError(f"--output must end in {', '.join(writers)}, got {str(output)!r}.")

    def tell(sentence: str) -> None:
        print(printable(sentence), file=sys.stderr)

    predictor = predictor_for(run, model, tell)
    predictions = predictor.predict_frame(data, model)
    for note in predictor.notes:
        tell(note)
    try:
        with replacing(output) as temporary:
            getattr(predictions, writers[output.suffix])(temporary)
    except OSError as error:
        raise RequestError(f"--output must be a file that can be written, got {str(output)!r}: {error}.") from error
    tell(f"{predictions.height} predictions of {model or predictor.default}: {output}")
