"""TabM's members are trained apart and averaged."""

import pytest
import torch
from nets_fixture import NEVER, ONE_THREAD, config, rows

from bench.nets.determinism import reproducible
from bench.nets.fit import fit_net, forward_in_chunks
from bench.nets.tabm import MemberLinear, TabM, TabMArchitecture
from bench.nets.weights import parameter_groups


def network(**changes) -> TabM:
    chosen = {"n_numeric": 3, "cardinalities": (4,), "n_outputs": 2, "width": 16, "members": 4, **changes}
    with reproducible(0, ONE_THREAD):
        return TabM(architecture=TabMArchitecture(**chosen))


@pytest.mark.parametrize("full", [False, True])
def test_probabilities_are_averaged(full):
    module = network(dropout=0.0, full=full)
    numeric, codes, _ = rows(9)[:]
    apart = module(numeric, codes).softmax(dim=-1)
    assert apart.shape == (4, 9, 2)
    together = module.eval()(numeric, codes).softmax(dim=-1)
    assert torch.allclose(together, apart.mean(dim=0), atol=1e-6)


def test_values_are_averaged():
    module = network(n_outputs=1, dropout=0.0)
    numeric, codes, _ = rows(9)[:]
    apart = module(numeric, codes)
    assert torch.allclose(module.eval()(numeric, codes), apart.mean(dim=0), atol=1e-6)


def test_members_take_rows_of_their_own_or_all_the_same():
    module = network(dropout=0.0, numeric_embedding="periodic")
    numeric, codes, _ = rows(9)[:]
    same = module(numeric, codes)
    own = module(numeric.expand(4, -1, -1), codes.expand(4, -1, -1))
    assert torch.allclose(same, own, atol=1e-6)


def test_a_layer_of_adapters_starts_as_the_shared_one():
    layer = MemberLinear(members=3, n_inputs=5, n_outputs=2, full=True)
    x = torch.randn(3, 4, 5)
    assert torch.allclose(layer(x), x @ layer.linear.weight.t() + layer.bias, atol=1e-6)


@pytest.mark.parametrize(("embedding", "signs"), [("none", True), ("periodic", False)])
def test_the_first_scales_are_one_number_a_feature_and_member(embedding, signs):
    module = network(numeric_embedding=embedding)
    scales = module.scales.detach().squeeze(1)
    assert (scales.abs() == 1).all().item() is signs
    start = 0
    for width in module.features.widths:
        part = scales[:, start : start + width]
        assert (part == part[:, :1]).all()
        start += width
    assert len(torch.unique(scales, dim=0)) > 1


def test_weights_of_layers_and_heads_decay_alone():
    module = network(full=True)
    decayed, others = parameter_groups(module)
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    assert {names[id(p)] for p in decayed.parameters} == {"layers.0.linear.weight", "layers.1.linear.weight", "heads"}
    assert len(decayed.parameters) + len(others.parameters) == len(names)


@pytest.mark.parametrize("members", [1, 4])
def test_members_learn_from_shared_batches_and_from_their_own(members):
    module, test = network(dropout=0.0), rows(100, seed=2)
    fit_net(module, rows(), None, config=config(members=members, epochs=20), allotment=ONE_THREAD, deadline=NEVER)
    right = (forward_in_chunks(module, test, 100).argmax(1) == test.target).float().mean()
    assert right > 0.9


def test_a_member_is_needed():
    with pytest.raises(ValueError, match="members, layers and width must be at least 1"):
        network(members=0)
