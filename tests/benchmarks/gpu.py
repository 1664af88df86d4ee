"""What a GPU is used for: nets beside a bare PyTorch loop, XGBoost beside its own API, four nets that share a card.

    python tests/benchmarks/gpu.py [--rows 200000] [--columns 50] [--epochs 4] [--device cuda]

On drawn rows of two classes. For RealMLP and TabM: rows a second of `bench.nets.fit.fit_net`, and of a loop of a dozen
lines over the same module, batch size, precision and optimizer (at least 90 % of it), and the memory of each at its
peak. For XGBoost: seconds of a fit of the family, and of `xgboost.train` with the same parameters and rounds (at least
95 % of its speed). Then four fits of TabM, each in a process that has a quarter of the card, beside four one after
another.

Skips, with the reason, where torch finds no such device; ``--device cpu`` tries the script itself.
"""

import argparse
import copy
import multiprocessing
import time
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention

from bench.family import Settings, discover, space_of, warm_up
from bench.nets import fit as nets
from bench.recipes import Encoded
from bench.resources import Allotment, Deadline

_SHARING = 4
_ROUNDS = 200


def drawn(n_rows, n_columns):
    """Draw rows whose class depends on three columns."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(n_rows, n_columns)).astype(np.float32)
    y = (values[:, 0] + values[:, 1] * values[:, 2] + 0.3 * rng.normal(size=n_rows) > 0).astype(np.int64)
    return Encoded(values=values, names=tuple(f"c{place}" for place in range(n_columns))), y


def allotted(device, share=1.0):
    """Give a fit one thread, and a share of the device."""
    return Allotment(cpus=1, gpu=share if device == "cuda" else 0.0, device=device)


def estimator_of(name, rounds=None):
    """Make a family's default estimator."""
    family = discover()[name]
    warm_up(family)
    params = dict(space_of(family).defaults)
    settings = Settings(params=params, kind="binary", n_classes=2, metric="log_loss", seed=0, rounds=rounds)
    return family.build(settings)


def net_of(name, X, y, device, epochs):
    """Have a family make its module and say how it is trained, without training it."""
    caught: dict[str, Any] = {}

    def catch(module, rows, watched, *, config, allotment, deadline):
        caught.update(module=module, rows=rows, config=replace(config, epochs=epochs, patience=epochs))

    with mock.patch.object(nets, "fit_net", catch):
        estimator_of(name).fit(X, y, valid=None, allotment=allotted(device), deadline=Deadline(600))
    return caught["module"], caught["rows"], caught["config"]


def ours(module, rows, config, device, share=1.0):
    """Train as `bench` does."""
    nets.fit_net(module, rows, None, config=config, allotment=allotted(device, share), deadline=Deadline(600))


def bare(module, rows, config, device):
    """Train as one would in a notebook: rows on the device, fused AdamW, autocast, and nothing else."""
    module, rows = module.to(device).train(), rows.to(device)
    optimizer = torch.optim.AdamW(module.parameters(), lr=config.learning_rate, fused=True)
    precision = getattr(torch, config.precision)
    for _ in range(config.epochs):
        order = torch.randperm(len(rows), device=device)
        for index in order.tensor_split(-(-len(rows) // config.batch_size)):
            numeric, codes, target = rows[index]
            optimizer.zero_grad()
            with torch.autocast(device, dtype=precision, enabled=config.precision != "float32"):
                output = module(numeric, codes)
            target = target.expand(output.shape[:-1]).flatten()
            F.cross_entropy(output.float().flatten(0, -2), target).backward()
            optimizer.step()


def wait(device):
    """Wait until the device has done all that was asked of it."""
    if device == "cuda":
        torch.cuda.synchronize()


def timed(train, net, device):
    """Seconds that training takes, and the MB that the device held at most; once before, unseen."""
    module, rows, config = net
    train(copy.deepcopy(module), rows, replace(config, epochs=1), device)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    module = copy.deepcopy(module)
    wait(device)
    begun = time.perf_counter()
    train(module, rows, config, device)
    wait(device)
    seconds = time.perf_counter() - begun
    return seconds, torch.cuda.max_memory_allocated() / 1e6 if device == "cuda" else float("nan")


def compare_nets(X, y, device, epochs):
    """Print each net beside its bare loop."""
    print("| net | bench, rows a second | bare loop | ratio | bench, MB | bare loop, MB |\n|---|---|---|---|---|---|")
    for name in ("realmlp", "tabm"):
        net = net_of(name, X, y, device, epochs)
        (mine, my_mb), (theirs, their_mb) = timed(ours, net, device), timed(bare, net, device)
        seen = len(y) * epochs
        rates = f"{seen / mine:,.0f} | {seen / theirs:,.0f} | {theirs / mine:.1%}"
        print(f"| {name} | {rates} | {my_mb:.0f} | {their_mb:.0f} |")


def compare_xgboost(X, y, device):
    """Print XGBoost's family beside the library's own API, with its parameters and rounds."""
    import xgboost

    def family():
        estimator_of("xgboost", rounds=_ROUNDS).fit(
            X, y, valid=None, allotment=allotted(device), deadline=Deadline(600)
        )

    def native():
        params = estimator_of("xgboost")._library_params(allotted(device))
        data = xgboost.QuantileDMatrix(X.values, label=y, nthread=1)
        xgboost.train(params, data, num_boost_round=_ROUNDS)

    seconds = {}
    for run in (family, native, family, native):  # the second time counts
        begun = time.perf_counter()
        run()
        seconds[run.__name__] = time.perf_counter() - begun
    print(
        f"\nXGBoost, {_ROUNDS} rounds: bench {seconds['family']:.2f} s, its own API {seconds['native']:.2f} s, ", end=""
    )
    print(f"{seconds['native'] / seconds['family']:.1%} of its speed")


def shared(n_rows, n_columns, device, epochs, start, done):
    """Train one of the nets that share a card, once all of them are ready."""
    net = net_of("tabm", *drawn(n_rows, n_columns), device, epochs)
    ours(copy.deepcopy(net[0]), net[1], replace(net[2], epochs=1), device, 1 / _SHARING)
    start.wait()
    ours(*net, device, 1 / _SHARING)
    wait(device)
    done.wait()


def compare_sharing(n_rows, n_columns, device, epochs):
    """Print four nets side by side beside four one after another."""
    context = multiprocessing.get_context("spawn")
    start, done = context.Barrier(_SHARING + 1), context.Barrier(_SHARING + 1)
    arguments = (n_rows, n_columns, device, epochs, start, done)
    processes = [context.Process(target=shared, args=arguments, daemon=True) for _ in range(_SHARING)]
    for process in processes:
        process.start()
    start.wait(300)
    begun = time.perf_counter()
    done.wait(600)
    together = time.perf_counter() - begun
    for process in processes:
        process.join()
    net = net_of("tabm", *drawn(n_rows, n_columns), device, epochs)
    alone = _SHARING * timed(ours, net, device)[0]
    print(f"\n{_SHARING} nets (TabM): {together:.1f} s together, {alone:.1f} s one after another")


def main():
    """Compare, or say why not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--columns", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    asked = parser.parse_args()
    if asked.device == "cuda" and not torch.cuda.is_available():
        print(f"skipped: torch {torch.__version__} finds no GPU here")
        return
    card = torch.cuda.get_device_name() if asked.device == "cuda" else "CPU"
    print(f"{card}, torch {torch.__version__}: {asked.rows:,} rows x {asked.columns}, {asked.epochs} epochs\n")
    X, y = drawn(asked.rows, asked.columns)
    compare_nets(X, y, asked.device, asked.epochs)
    compare_xgboost(X, y, asked.device)
    compare_sharing(asked.rows, asked.columns, asked.device, asked.epochs)


if __name__ == "__main__":
    main()
