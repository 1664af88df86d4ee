"""A finished run, as Python sees it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from bench.errors import StoreError
from bench.leaderboard import Leaderboard, load_leaderboard, rescore
from bench.predictor import Predictor, load_predictor
from bench.store import read_json


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run folder. ``interrupted`` says that a signal ended it before its budget did."""

    folder: Path
    interrupted: bool = False

    @cached_property
    def board(self) -> Leaderboard:
        """The board with what its columns mean: metric, direction, where test scores come from."""
        return load_leaderboard(self.folder)

    @property
    def leaderboard(self) -> pl.DataFrame:
        """The board's rows, best first, as a frame."""
        return self.board.frame

    def leaderboard_by(self, metric: str) -> Leaderboard:
        """The board ordered by another metric, or by ``module:function``; nothing is fitted again.

        Raises:
            RequestError: no such metric, or it does not fit the task.
        """
        return rescore(self.folder, metric)

    @cached_property
    def predictor(self) -> Predictor:
        """The fitted models; predicts with the row that ``decisions.json`` names unless another is asked for."""
        return load_predictor(self.folder)

    @property
    def default_model(self) -> str:
        """Name of the row that predicts unless another is asked for."""
        name: str = read_json(self.folder / "predictor" / "predictor.json")["default"]
        return name

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.folder / "report.html"

    def _repr_html_(self) -> str:
        return self.board._repr_html_()


def load_run(folder: Path | str) -> Run:
    """Open the folder of an earlier run.

    Raises:
        StoreError: it is not a folder that `bench run` wrote, or the run has no board yet.
    """
    path = Path(folder)
    if not (path / "leaderboard.json").is_file():
        raise StoreError(
            f"{path} must be the folder of a run with a leaderboard. `bench list runs` shows those there are."
        )
    return Run(folder=path)
