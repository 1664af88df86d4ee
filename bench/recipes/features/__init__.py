"""Features beyond a recipe's own encodings: one file a generator, each fitted on a fold's training rows alone.

`Features` holds the switches, which are parameters of a candidate; with none switched on, nothing here is called.
"""

from bench.recipes.features.conditions import conditions
from bench.recipes.features.made import Made, makes_any
from bench.recipes.features.options import PREFIX, Features, without_switches
from bench.recipes.features.strength import Training, make_sample

__all__ = ["PREFIX", "Features", "Made", "Training", "conditions", "make_sample", "makes_any", "without_switches"]
