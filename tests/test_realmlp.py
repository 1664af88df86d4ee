"""RealMLP is parametrised, initialised and trained as its recipe says."""

import copy

import pytest
import torch
from nets_fixture import NEVER, ONE_THREAD, config, rows, state

from bench.family import Settings, discover, space_of
from bench.nets.determinism import reproducible
from bench.nets.fit import fit_net
from bench.nets.realmlp import NTKLinear, ParametricActivation, RealMLP, RealMLPArchitecture
from bench.nets.weights import parameter_groups
from bench.samples import make_sample


def network(seed: int = 0, **changes) -> RealMLP:
    chosen = {"n_numeric": 3, "cardinalities": (4,), "n_outputs": 2, "width": 16, "layers": 2, **changes}
    with reproducible(seed, ONE_THREAD):
        module = RealMLP(architecture=RealMLPArchitecture(**chosen))
        module.initialise(rows(cardinalities=chosen["cardinalities"]))
    return module


def test_products_are_divided_by_the_root_of_the_inputs():
    linear = NTKLinear(n_inputs=9, n_outputs=2)
    x = torch.randn(5, 9)
    assert torch.allclose(linear(x), x @ linear.weight / 3 + linear.bias)


def test_the_first_outputs_have_deviation_one_and_a_kink_among_the_rows():
    x = 7 + 3 * torch.randn(200, 5)
    linear = NTKLinear(n_inputs=5, n_outputs=50)
    linear.initialise(x)
    outputs = linear(x)
    assert torch.allclose(outputs.std(dim=0, correction=0), torch.ones(50), atol=1e-4)
    assert (outputs.amin(dim=0) < 0).all()
    assert (outputs.amax(dim=0) > 0).all()


def test_an_input_that_never_varies_leaves_weights_finite():
    linear = NTKLinear(n_inputs=2, n_outputs=3)
    linear.initialise(torch.ones(10, 2))
    assert linear.weight.abs().max() < 10


@pytest.mark.parametrize(("weight", "expected"), [(1.0, "activation"), (0.0, "identity"), (0.5, "mean")])
def test_an_activation_is_mixed_with_the_identity(weight, expected):
    module, x = ParametricActivation(width=4, activation="selu"), torch.randn(3, 4)
    torch.nn.init.constant_(module.weight, weight)
    values = {"activation": torch.selu(x), "identity": x, "mean": (torch.selu(x) + x) / 2}
    assert torch.allclose(module(x), values[expected])


def test_every_parameter_is_in_one_group():
    module = network(cardinalities=(4, 30))
    grouped = [id(parameter) for group in parameter_groups(module) for parameter in group.parameters]
    assert sorted(grouped) == sorted(id(parameter) for parameter in module.parameters())


def test_scales_biases_and_embeddings_learn_at_rates_of_their_own():
    """Adam's first step is the rate itself, whatever the gradient."""
    module = network(first_rate=0.5)
    before = copy.deepcopy(module)
    one_step = config(
        epochs=1,
        batch_size=120,
        learning_rate=0.001,
        weight_decay=0.0,
        schedule="plateau",
        warm_up=0.0,
        averaging=False,
    )
    fit_net(module, rows(), None, config=one_step, allotment=ONE_THREAD, deadline=NEVER)
    old = dict(before.named_parameters())
    moved = {name: (parameter - old[name]).abs().max().item() for name, parameter in module.named_parameters()}
    expected = {"scale": 6.0, "linears.0.weight": 0.5, "linears.1.weight": 1.0, "linears.0.bias": 0.1}
    expected |= {"numeric.frequencies": 0.1, "activations.0.weight": 0.1}
    for name, rate in expected.items():
        assert moved[name] == pytest.approx(0.001 * rate, rel=0.02), name


def test_biases_do_not_decay_and_scales_decay_by_the_square_of_their_rate():
    module = network()
    biases = next(
        group for group in parameter_groups(module) if any(p is module.linears[0].bias for p in group.parameters)
    )
    scales = next(group for group in parameter_groups(module) if any(p is module.scale for p in group.parameters))
    assert biases.decay == 0.0
    assert scales.rate * scales.decay == 36.0


def test_a_feature_is_needed():
    with pytest.raises(ValueError, match="there must be a feature, a layer and an output at least"):
        RealMLP(architecture=RealMLPArchitecture(n_numeric=0, cardinalities=(), n_outputs=1))


def test_the_same_seed_initialises_the_same_bits():
    assert state(network(3)) == state(network(3)) != state(network(4))


@pytest.mark.parametrize(
    ("metric", "smoothing", "watched"),
    [("accuracy", 0.1, "errors"), ("log_loss", 0.0, "loss"), ("roc_auc", 0.0, "loss")],
)
def test_labels_are_smoothed_for_accuracy_alone(metric, smoothing, watched):
    family = discover()["realmlp"]
    settings = Settings(params=space_of(family).defaults, kind="binary", n_classes=2, metric=metric, seed=0)
    fitted = family.build(settings)
    fit = fitted._config(make_sample(family, "binary").y, ONE_THREAD)
    assert (fit.label_smoothing, fit.watched) == (smoothing, watched)


def test_more_rows_take_fewer_epochs():
    family = discover()["realmlp"]
    settings = Settings(params={"epochs": 256}, kind="binary", n_classes=2, metric="log_loss", seed=0)
    fitted = family.build(settings)
    epochs = [fitted._training(n)["epochs"] for n in (100, 1_000, 10_000, 100_000, 10_000_000)]
    assert epochs[0] == epochs[1] == 256
    assert sorted(epochs, reverse=True) == epochs
    assert len(set(epochs)) > 3
