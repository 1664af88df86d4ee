"""Modules keep their shapes, rows come in whole batches, and parameters lie in one tensor."""

import doctest
import importlib
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nets_fixture import network, rows, state

from bench.nets.embeddings import (
    CategoryEmbedding,
    CategoryEncoding,
    PBLDEmbedding,
    PeriodicEmbedding,
    PiecewiseLinearEmbedding,
    quantile_edges,
)
from bench.nets.modules import MLP, Architecture, Block, Dropout
from bench.nets.rows import BatchOrder, batch_size_for, make_loader
from bench.nets.weights import flatten, parameter_groups, unflatten
from bench.resources import Allotment

EMBEDDINGS = ("none", "periodic", "piecewise")


@pytest.mark.parametrize("name", ["embeddings", "features", "ft_transformer", "modules", "realmlp", "resnet", "tabm"])
def test_examples_in_docstrings(name):
    with torch.random.fork_rng():
        result = doctest.testmod(importlib.import_module(f"bench.nets.{name}"))
    assert result.attempted >= 2
    assert result.failed == 0


@pytest.mark.parametrize("embedding", EMBEDDINGS)
@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
@pytest.mark.parametrize(("n_numeric", "cardinalities"), [(3, (4, 9)), (0, (4,)), (3, ())])
def test_the_perceptron_takes_numbers_categories_or_both(embedding, normalization, n_numeric, cardinalities):
    architecture = Architecture(
        n_numeric=n_numeric,
        cardinalities=cardinalities,
        n_outputs=5,
        layers=3,
        width=8,
        normalization=normalization,
        residual=True,
        numeric_embedding=embedding,
    )
    module = MLP(architecture=architecture)
    codes = torch.zeros(7, len(cardinalities), dtype=torch.int64)
    assert module(torch.randn(7, n_numeric), codes).shape == (7, 5)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: CategoryEmbedding(cardinalities=()), "cardinalities must hold one number"),
        (lambda: PeriodicEmbedding(n_features=1, width=1, n_frequencies=1, frequency_scale=0), "frequency_scale > 0"),
        (lambda: PiecewiseLinearEmbedding(edges=torch.zeros(3, 1), width=4), "edges must be"),
        (lambda: PBLDEmbedding(n_features=1, width=1, n_frequencies=1, frequency_scale=1.0), "width >= 2"),
        (lambda: CategoryEncoding(cardinalities=(2,), one_hot=3, embedding_width=1)(torch.zeros(2, 2)), "codes must"),
        (lambda: Dropout(p=1.0), "p must be at least 0 and below 1, however: p=1.0"),
        (lambda: network(activation="step"), "activation must be one of"),
        (lambda: network(numeric_embedding="fourier"), "numeric_embedding must be one of none, periodic, piecewise"),
        (lambda: network(layers=0), "there must be a layer at least"),
        (lambda: network(n_outputs=0), "there must be a feature and an output"),
        (lambda: network()(torch.zeros(2, 4), torch.zeros(2, 1)), r"numeric must have shape \(batch, 3\)"),
        (lambda: network()(torch.zeros(2, 3), torch.zeros(3, 1)), r"codes \(batch, 1\)"),
        (lambda: CategoryEmbedding(cardinalities=(2,))(torch.zeros(2, 2)), "codes must have shape"),
    ],
)
def test_what_does_not_fit_is_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()


def test_the_unknown_category_starts_in_the_middle():
    embedding = CategoryEmbedding(cardinalities=(50,))
    assert not embedding(torch.zeros(1, 1, dtype=torch.int64)).any()
    assert embedding(torch.ones(1, 1, dtype=torch.int64)).any()


def test_a_residual_block_adds_its_input():
    block = Block(n_inputs=4, width=4, activation="relu", normalization="none", dropout=0.0, residual=True)
    torch.nn.init.zeros_(block.linear.weight)
    x = torch.randn(3, 4)
    assert torch.equal(block(x), x)


def test_pieces_are_linear_between_edges_and_see_empty_bins_as_nothing():
    embedding = PiecewiseLinearEmbedding(edges=torch.tensor([[0.0, 1.0, 1.0, 3.0]]), width=1)
    with torch.no_grad():
        embedding.weight.zero_()
        embedding.bias.zero_()
        embedding.pieces.copy_(torch.tensor([10.0, 100.0, 20.0]).reshape(1, 3, 1))
    values = torch.tensor([[-1.0], [0.5], [1.0], [2.0], [9.0]])
    assert embedding(values).flatten().tolist() == [0.0, 5.0, 10.0, 20.0, 30.0]


def test_an_embedding_by_cosines_is_a_linear_map_of_waves_beside_the_feature_itself():
    embedding = PBLDEmbedding(n_features=1, width=3, n_frequencies=1, frequency_scale=1.0)
    with torch.no_grad():
        embedding.frequencies.fill_(0.25)
        embedding.phases.fill_(math.pi)
        embedding.weight.copy_(torch.tensor([[[2.0, 3.0]]]))
        embedding.bias.fill_(1.0)
    # cos(2 pi / 4 * x + pi) is -1, 0 and 1 at 0, 1 and 2.
    expected = torch.tensor([[-1.0, -2.0, 0.0], [1.0, 1.0, 1.0], [3.0, 4.0, 2.0]])
    assert torch.allclose(embedding(torch.tensor([[0.0], [1.0], [2.0]])), expected, atol=1e-6)


def test_few_levels_are_fixed_columns_scaled_as_numbers_are():
    codes = torch.tensor([1] * 30 + [2] * 60 + [3] * 10)[:, None]
    encoding = CategoryEncoding(cardinalities=(4,), one_hot=4, embedding_width=2)
    encoding.fit(codes)
    # Quartiles: 0 and 1 for level 1 and 2, of medians 0 and 1; both 0 for level 3, whose range is 1.
    scaled = torch.tensor([[0.0, -1.0, 0.0], [1.0, -1.0, 0.0], [0.0, 0.0, 0.0], [0.0, -1.0, 2.0]])
    expected = scaled / (1 + (scaled / 3) ** 2).sqrt()
    assert torch.allclose(encoding(torch.arange(4)[:, None]), expected)
    assert not list(encoding.parameters())


def test_many_levels_are_embedded():
    encoding = CategoryEncoding(cardinalities=(5, 4), one_hot=4, embedding_width=2)
    assert encoding.width == 2 + 3
    assert [parameter.shape for parameter in encoding.parameters()] == [(5, 2)]
    assert not encoding(torch.zeros(1, 2, dtype=torch.int64)).any()


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=60), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_edges_ascend_within_the_range(column, n_bins):
    edges = quantile_edges(np.array(column, dtype=np.float32)[:, None], n_bins).numpy()[0]
    assert edges.shape == (n_bins + 1,)
    assert (np.diff(edges) >= 0).all()
    assert (edges[0], edges[-1]) == (np.float32(min(column)), np.float32(max(column)))


def test_a_common_value_leaves_its_bins_to_the_others():
    column = np.concatenate([np.zeros(900), np.linspace(1, 2, 100)]).astype(np.float32)
    assert len(np.unique(quantile_edges(column[:, None], 10).numpy())) == 11


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5])
def test_dropout_drops_its_share_and_keeps_the_mean(p):
    dropout = Dropout(p=p)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        out = dropout(torch.ones(1000, 101))
    assert (out == 0).float().mean().item() == pytest.approx(p, abs=0.01)
    assert out.mean().item() == pytest.approx(1.0, abs=0.02)
    assert torch.equal(dropout.eval()(out), out)


@given(st.integers(1, 400), st.integers(1, 70))
@settings(deadline=None)
def test_batches_hold_every_row_once_and_are_of_like_size(n_rows, batch_size):
    order = BatchOrder(n_rows, batch_size=batch_size, seed=0, device="cpu")
    batches = list(order)
    assert len(batches) == len(order)
    sizes = [len(batch) for batch in batches]
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= max(batch_size, 2)
    assert sorted(torch.cat(batches).tolist()) == (list(range(n_rows)) if n_rows > 1 else [0, 0])


def test_members_go_through_all_rows_in_orders_of_their_own():
    order = BatchOrder(10, batch_size=4, seed=0, device="cpu", members=3)
    batches = list(order)
    assert [tuple(batch.shape) for batch in batches] == [(3, 4), (3, 3), (3, 3)]
    orders = torch.cat(batches, dim=1).tolist()
    assert [sorted(rows) for rows in orders] == [list(range(10))] * 3
    assert len({tuple(rows) for rows in orders}) == 3
    assert rows(10)[batches[0]][0].shape == (3, 4, 3)


def test_an_epoch_taken_up_in_the_middle_goes_on_in_its_order():
    order = BatchOrder(100, batch_size=10, seed=0, device="cpu")
    order.start(epoch=2, batch=0)
    whole = list(order)
    order.start(epoch=2, batch=7)
    assert [batch.tolist() for batch in order] == [batch.tolist() for batch in whole[7:]]
    order.start(epoch=3, batch=0)
    assert [batch.tolist() for batch in order] != [batch.tolist() for batch in whole]


def test_a_cpu_loads_without_workers_and_pinned_memory():
    loader = make_loader(rows(), BatchOrder(120, batch_size=32, seed=0, device="cpu"), Allotment(cpus=4))
    assert (loader.num_workers, loader.pin_memory) == (0, False)


def test_bigger_tables_get_bigger_batches():
    sizes = [batch_size_for(n) for n in (364, 3_000, 5_000, 31_000, 50_000, 500_000)]
    assert sizes == [32, 64, 128, 256, 512, 1024]


def test_only_weights_of_linear_layers_decay():
    module = network(numeric_embedding="piecewise", normalization="batch")
    decayed, others = parameter_groups(module)
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    weights = {"blocks.0.linear.weight", "blocks.1.linear.weight", "head.weight"}
    assert {names[id(p)] for p in decayed.parameters} == weights
    assert (decayed.decay, others.decay) == (1.0, 0.0)
    assert len(decayed.parameters) + len(others.parameters) == len(names)


def test_parameters_in_one_tensor_are_the_same_parameters():
    module = network()
    before, x = state(module), (torch.randn(5, 3), torch.zeros(5, 1, dtype=torch.int64))
    parameters = list(module.parameters())
    flat = flatten(parameters)
    assert state(module) == before
    flat.zero_()
    assert not module(*x).any()
    unflatten(parameters)
    flat.fill_(1.0)
    assert not module(*x).any()
