"""A small table, a small network and a short fit, for the tests of nets."""

import torch

from bench.nets.determinism import reproducible
from bench.nets.fit import FitConfig, fit_net
from bench.nets.modules import MLP, Architecture
from bench.nets.rows import Rows
from bench.resources import Allotment, Deadline

ONE_THREAD = Allotment()
NEVER = Deadline(None)


def rows(n: int = 120, *, seed: int = 0, cardinalities: tuple[int, ...] = (4,)) -> Rows:
    """Three numbers and a category; the class is the sign of the first number."""
    generator = torch.Generator().manual_seed(seed)
    numeric = torch.randn(n, 3, generator=generator)
    codes = torch.stack([torch.randint(size, (n,), generator=generator) for size in cardinalities], dim=1)
    return Rows(numeric=numeric, codes=codes, target=(numeric[:, 0] > 0).long())


def network(seed: int = 0, **architecture) -> MLP:
    chosen = {"width": 16, "dropout": 0.2, **architecture}
    full = Architecture(**{"n_numeric": 3, "cardinalities": (4,), "n_outputs": 2, "n_bins": 4, **chosen})
    with reproducible(seed, ONE_THREAD):
        return MLP(architecture=full, edges=torch.linspace(-2, 2, 5).repeat(3, 1))


def config(**changes) -> FitConfig:
    return FitConfig(
        **{
            "loss": "cross_entropy",
            "learning_rate": 0.01,
            "weight_decay": 0.01,
            "batch_size": 32,
            "epochs": 6,
            "patience": 6,
            "seed": 3,
            **changes,
        }
    )


def state(module: torch.nn.Module) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in module.state_dict().items()}


def fitted(module: MLP, *, allotment: Allotment = ONE_THREAD, deadline: Deadline = NEVER, watch=True, **changes) -> MLP:
    valid = rows(40, seed=1) if watch else None
    fit_net(module, rows(), valid, config=config(**changes), allotment=allotment, deadline=deadline)
    return module
