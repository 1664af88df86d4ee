"""Made-up predictions of members that know the truth more or less, to combine."""

import numpy as np
from hypothesis import strategies as st


def classified(members, rows, classes, seed, *, noisy=()):
    """Codes, and probabilities of members that know them more or less; those in ``noisy`` know nothing."""
    generator = np.random.default_rng(seed)
    y = np.concatenate([np.arange(classes), generator.integers(classes, size=rows - classes)])
    stacked = []
    for member in range(members):
        skill = 0.0 if member in noisy else generator.uniform(0.5, 2.0)
        scores = np.exp(generator.normal(size=(rows, classes)) * 1.5 + skill * np.eye(classes)[y])
        stacked.append(scores / scores.sum(axis=1, keepdims=True))
    return np.stack(stacked), y


def valued(members, rows, seed, *, noisy=()):
    """Values, and predictions of members that know them more or less."""
    generator = np.random.default_rng(seed)
    y = generator.gamma(2.0, size=rows) + 1
    spreads = [5.0 if member in noisy else generator.uniform(0.3, 1.0) for member in range(members)]
    return np.stack([y + spread * generator.normal(size=rows) for spread in spreads]), y


CASES = st.tuples(
    st.sampled_from(["binary", "multiclass", "regression"]), st.integers(2, 6), st.integers(20, 80), st.integers(0, 999)
)


def drawn(case):
    kind, members, rows, seed = case
    classes = {"binary": 2, "multiclass": 3, "regression": 0}[kind]
    return valued(members, rows, seed) if kind == "regression" else classified(members, rows, classes, seed)
