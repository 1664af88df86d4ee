import json
from itertools import pairwise

import numpy as np
import pytest
from predictions_fixture import classified, valued

from bench.combine import Adjusted, Linear, LogLinear, WeightedMean, combiner_from_dict

COMBINERS = [
    WeightedMean(weights=(0.25, 0.0, 0.75)),
    LogLinear(weights=(0.3, 0.0, 0.9), bias=(0.1, -0.2, 0.1)),
    Linear(weights=(0.5, 0.0, 0.4), bias=1.5),
    Adjusted(inner=WeightedMean(weights=(0.25, 0.0, 0.75)), sharpness=0.8, bias=(0.0, 0.4, 0.1)),
]


@pytest.mark.parametrize("combiner", COMBINERS, ids=lambda combiner: type(combiner).__name__)
def test_combiner_survives_json(combiner):
    again = combiner_from_dict(json.loads(json.dumps(combiner.to_dict())))
    assert again == combiner
    predictions = valued(3, 20, 0)[0] if isinstance(combiner, Linear) else classified(3, 20, 3, 0)[0]
    np.testing.assert_array_equal(again.combine(predictions), combiner.combine(predictions))


@pytest.mark.parametrize("combiner", COMBINERS, ids=lambda combiner: type(combiner).__name__)
def test_row_is_combined_alike_wherever_it_stands(combiner):
    """Else the same row would be predicted otherwise alone than in its table."""
    predictions = valued(3, 203, 0)[0] if isinstance(combiner, Linear) else classified(3, 203, 3, 0)[0]
    whole = combiner.combine(predictions)
    assert combiner.combine(predictions[:, :0]).shape == whole[:0].shape
    for start, stop in pairwise((0, 1, 2, 9, 26, 203)):
        np.testing.assert_array_equal(combiner.combine(predictions[:, start:stop]), whole[start:stop])


@pytest.mark.parametrize("combiner", COMBINERS, ids=lambda combiner: type(combiner).__name__)
def test_member_without_weight_changes_nothing(combiner):
    predictions = valued(3, 20, 0)[0] if isinstance(combiner, Linear) else classified(3, 20, 3, 0)[0]
    idle = predictions.copy()
    idle[1] = 0.0
    whole = combiner.combine(predictions)
    np.testing.assert_array_equal(combiner.combine(idle), whole)
    np.testing.assert_array_equal(combiner.of([0, 2]).combine(predictions[[0, 2]]), whole)
    assert combiner.of([0, 2]).weights == (combiner.weights[0], combiner.weights[2])


def test_adjusted_probabilities_are_sharper_and_shifted():
    even = np.array([[[0.4, 0.6], [0.5, 0.5]]])
    inner = WeightedMean(weights=(1.0,))
    sharp = Adjusted(inner=inner, sharpness=2.0, bias=(0.0, 0.0)).combine(even)
    np.testing.assert_allclose(sharp, [[0.16 / 0.52, 0.36 / 0.52], [0.5, 0.5]])
    shifted = Adjusted(inner=inner, sharpness=1.0, bias=(np.log(3), 0.0)).combine(even)
    np.testing.assert_allclose(shifted, [[1.2 / 1.8, 0.6 / 1.8], [0.75, 0.25]])
