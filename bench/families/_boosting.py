"""What the boosting families share: what a fit watches, how many rounds it may take and when it stops."""

import math
from collections.abc import Callable
from typing import Any, Literal

from bench.families._estimator import number
from bench.family import DeadlineReached, Settings
from bench.recipes import Encoded
from bench.resources import Allotment, Deadline

Loss = Literal["logloss", "mae", "rmse"]

#: Below this many training rows a fit's rounds are limited by its learning rate.
_SMALL = 2_000
_MAX_ROUNDS = 10_000
#: Learning rate times rounds from which a fit that time has ended is worth keeping: of what shrunken trees can learn,
#: rounds leave the share exp(-rate * rounds).
_ENOUGH = 5.0
#: About what a library takes for a value of the training rows: bins, perhaps by row and by column, or float32.
_BYTES_A_VALUE = 4
#: Metrics that are least where predictions are medians, or nearer to these than to means.
_OF_MEDIANS = ("mae", "median_absolute_error", "mape")


def loss_of(settings: Settings) -> Loss:
    """Name the loss that the trees minimise, which is also what early stopping watches.

    For the area under the curve, too: on the few rows there are to watch it is the noisier one. Watching the log loss
    gave more of it in 12 of 14 comparisons, by 0.003 in the mean and from -0.004 to 0.010 (LightGBM and XGBoost, five
    tables of 364 to 8 000 training rows, 3 or 6 seeds, defaults and, below 5 000 rows, one portfolio point).
    """
    if settings.kind == "regression":
        return "mae" if settings.metric in _OF_MEDIANS else "rmse"
    return "logloss"


def max_rounds(settings: Settings, n_rows: int, *, watching: bool, learning_rate: float) -> int:
    """Limit the rounds of a fit; without rows to watch, take those that were lent, or as many as usually do."""
    if settings.rounds is not None:
        return settings.rounds
    asked = int(number(settings, "n_estimators", _MAX_ROUNDS))
    steps = 20 if watching else 8
    limit = math.ceil(steps / learning_rate) if n_rows < _SMALL or not watching else _MAX_ROUNDS
    return min(asked, limit)


def kept(
    settings: Settings, X: Encoded, allotment: Allotment, make: Callable[[], Any], binning: tuple[str, ...] = ()
) -> Any:
    """Return what a library makes of training rows, made once for all candidates that learn from them alike.

    ``make`` gives the rows in the library's own form, binned or not, with those that are watched; of what differs
    between candidates they may depend on class weights and on the parameters named in ``binning``.
    """
    if X.key is None:
        return make()
    key = (make.__qualname__, X.key, *(settings.params.get(name) for name in ("class_weight", *binning)))
    return allotment.memo.get(key, make, n_bytes=_BYTES_A_VALUE * X.values.size)


class Stopper:
    """Adaptive early stopping: the later the best round, the longer the wait for a better one.

    The first wait, in rounds, is 300 at 10 000 rows and less on either side: small fits have to be quick, and large
    ones move steadily.
    """

    def __init__(self, n_rows: int, learning_rate: float = 0.1, last: int | None = None) -> None:
        """Set the patience for a fit on ``n_rows`` training rows, and after how many rounds to stop in any case.

        ``best`` is the best round so far, from 0, ``ended_at`` how many rounds there had been when time ended the fit.
        """
        self.ended_at: int | None = None
        self._rate, self._last = learning_rate, last
        share = n_rows / 10_000
        self.patience = max(round(300 * min(share, 1 / share)), 50 if share < 1 else 20)
        self.best = 0
        self._best_loss = math.inf

    def stops(self, round_number: int, loss: float) -> bool:
        """Note a round's watched loss; tell whether to stop."""
        if loss < self._best_loss:
            self.best, self._best_loss = round_number, loss
        if self._last is not None and round_number + 1 >= self._last:
            return True
        return round_number - self.best > max(self.patience, round(0.3 * self.best + 20))

    def end(self, rounds: int) -> None:
        """Note that time has ended the fit after so many rounds.

        Raises:
            DeadlineReached: they are too few, or no loss was watched by which one of them is the best.
        """
        if math.isinf(self._best_loss) or rounds * self._rate < _ENOUGH:
            raise DeadlineReached
        self.ended_at = rounds


def boost(step: Callable[[int], float | None], *, rounds: int, stopper: Stopper, deadline: Deadline) -> int:
    """Call ``step`` (one round of boosting, from 0; it returns the watched loss, None when there is none).

    Returns how many rounds to keep.

    Raises:
        DeadlineReached: the deadline passed before there was anything to keep (see `Stopper.end`).
    """
    for round_number in range(rounds):
        if deadline.passed:
            stopper.end(round_number)
            break
        loss = step(round_number)
        if loss is None:
            stopper.best = round_number
        elif stopper.stops(round_number, loss):
            break
    return stopper.best + 1
