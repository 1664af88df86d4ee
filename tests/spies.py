"""Model families for tests: they learn nothing, and keep what they were given or fail on command."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from threadpoolctl import threadpool_info

from bench.candidate import Candidate
from bench.family import ALL_TASKS, Family, discover

#: What the fits of one test were given, in order.
Seen = list["Spy"]


@dataclass
class Spy:
    """An estimator that predicts class shares or the mean, and keeps all that it was given."""

    settings: object
    X: object = None
    y: object = None
    valid: object = None
    allotment: object = None
    deadline: object = None
    predicted: list = field(default_factory=list)
    threads: list = field(default_factory=list)

    def fit(self, X, y, *, valid, allotment, deadline):
        self.X, self.y, self.valid, self.allotment, self.deadline = X, y, valid, allotment, deadline
        self.threads = [pool["num_threads"] for pool in threadpool_info()]

    def predict(self, X):
        self.predicted.append(X)
        if self.settings.kind == "regression":
            return np.full(len(X.values), np.mean(self.y))
        shares = np.bincount(self.y, minlength=self.settings.n_classes) / len(self.y)
        return np.tile(shares, (len(X.values), 1))

    def save(self, folder):
        (folder / "spy.json").write_text(json.dumps({"kind": self.settings.kind}))


def family(build: Callable, **changes) -> Family:
    """A family called ``spy`` whose estimators ``build`` makes."""
    plain = {"name": "spy", "summary": "", "tasks": ALL_TASKS, "recipe": "trees", "libraries": (), "order": 1}
    return Family(build=build, load=lambda folder: None, **plain | changes)


def register(monkeypatch, *families: Family) -> None:
    """Have trials find these families beside those there are."""
    found = MappingProxyType({**discover(), **{each.name: each for each in families}})
    monkeypatch.setattr("bench.trial.discover", lambda: found)


def watch(monkeypatch, **changes) -> Seen:
    """Register a family of spies and give the list that they will be found in."""
    seen: Seen = []

    def build(settings):
        seen.append(Spy(settings))
        return seen[-1]

    register(monkeypatch, family(build, **changes))
    return seen


def candidate(name: str = "spy", *, seed: int = 7, **params) -> Candidate:
    return Candidate(trial_id=f"{name}-{seed}", family=name, params=params, origin="default", number=0, seed=seed)
