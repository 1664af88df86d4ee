"""The training loop keeps its promises, interrupted or not."""

import copy
import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from nets_fixture import NEVER, ONE_THREAD, config, fitted, network, rows, state
from search_fixture import CountedDeadline

from bench.family import DeadlineReached
from bench.nets.adamw import AdamW
from bench.nets.checkpoint import Checkpoint, State
from bench.nets.fit import fit_net, forward_in_chunks
from bench.nets.loss import Loss
from bench.resources import Allotment, Deadline


def test_a_tiny_set_is_learned_by_heart():
    train = rows(24)
    module = network(width=64, dropout=0.0)
    fit_net(module, train, None, config=config(epochs=150, weight_decay=0.0), allotment=ONE_THREAD, deadline=NEVER)
    assert (forward_in_chunks(module, train, 24).argmax(1) == train.target).all()


@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
@pytest.mark.parametrize("schedule", ["cosine", "plateau"])
def test_the_same_seed_gives_the_same_bits(normalization, schedule):
    module = network(normalization=normalization)
    first, second, other = (state(fitted(copy.deepcopy(module), schedule=schedule, seed=seed)) for seed in (3, 3, 4))
    assert first == second
    assert first != other


def test_the_surroundings_stay_as_they_were():
    torch.manual_seed(0)
    expected = torch.rand(3)
    threads = torch.get_num_threads()
    torch.manual_seed(0)
    fitted(network(), allotment=Allotment(cpus=threads + 1))
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory


def test_the_best_epoch_is_kept():
    module, valid = network(), rows(40, seed=1)
    summary = fit_net(
        module, rows(), valid, config=config(learning_rate=0.3, epochs=30), allotment=ONE_THREAD, deadline=NEVER
    )
    assert 1 <= summary.best_epoch < len(summary.losses), "the check needs a fit that goes on beyond its best"
    assert summary.losses[summary.best_epoch - 1] == min(summary.losses)
    loss = Loss("cross_entropy", (), 0.0, "cpu").watch(forward_in_chunks(module, valid, 40), valid.target)
    assert loss == min(summary.losses)


def test_a_fit_that_is_to_stop_is_as_far_as_a_longer_one_was_then():
    """With the schedule of all epochs; so a net is fitted on all rows for as long as was best for others."""
    whole, stopped = (network() for _ in range(2))
    summary = fit_net(stopped, rows(), None, config=config(epochs=9, stop_at=4), allotment=ONE_THREAD, deadline=NEVER)
    assert summary.best_epoch == 4
    fit_net(whole, rows(), None, config=config(epochs=4), allotment=ONE_THREAD, deadline=NEVER)
    outputs = [forward_in_chunks(module, rows(), 64) for module in (whole, stopped)]
    assert not torch.equal(*outputs), "the schedule has not come to its end"


def test_patience_ends_a_fit_that_gets_no_better():
    train = rows()
    # Labels turned round: what is learned makes the watched rows worse.
    valid = replace(train, target=1 - train.target)
    summary = fit_net(
        network(), train, valid, config=config(epochs=50, patience=4), allotment=ONE_THREAD, deadline=NEVER
    )
    assert len(summary.losses) == summary.best_epoch + 4 < 50


def steps_of(monkeypatch, **changes) -> tuple[list[float], list[float]]:
    """Learning rate and norm of the gradient at each step of a fit whose watched loss gets worse."""
    rates, norms = [], []
    step = AdamW.step

    def noted(self, *args, **kwargs):
        rates.append(self.param_groups[0]["lr"])
        gradients = [weights.grad for group in self.param_groups for weights in group["params"]]
        norms.append(torch.cat(gradients).norm().item())
        return step(self, *args, **kwargs)

    monkeypatch.setattr(AdamW, "step", noted)
    train = rows()
    valid = replace(train, target=1 - train.target)
    fit_net(network(), train, valid, config=config(**changes), allotment=ONE_THREAD, deadline=NEVER)
    return rates, norms


def test_steps_are_those_of_torchs_optimizer():
    start, optimizers = [torch.randn(50), torch.randn(8)], []
    ours, theirs = ([torch.nn.Parameter(part.clone()) for part in start] for _ in range(2))
    optimizers = [
        AdamW(ours, learning_rate=0.1, betas=(0.9, 0.99)),
        torch.optim.AdamW([{"params": [part]} for part in theirs], lr=0.1, betas=(0.9, 0.99), fused=True),
    ]
    for step in range(20):
        gradients = [torch.randn_like(part) for part in start]
        for optimizer, weights in zip(optimizers, (ours, theirs), strict=True):
            for part, gradient, group, decay in zip(
                weights, gradients, optimizer.param_groups, (0.3, 0.0), strict=True
            ):
                part.grad = gradient.clone()
                group["lr"], group["weight_decay"] = 0.1 / (1 + step), decay
            optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_gradients_are_clipped(monkeypatch):
    _, norms = steps_of(monkeypatch, clip_norm=0.01)
    assert max(norms) == pytest.approx(0.01, rel=1e-3)


def test_what_norms_have_seen_comes_with_the_averaged_weights():
    module = fitted(network(normalization="batch"))
    assert module.blocks[0].normalization.running_mean.any()


def test_the_rate_warms_up_and_is_annealed(monkeypatch):
    rates, _ = steps_of(monkeypatch, epochs=10, patience=10, learning_rate=1.0, warm_up=0.25)
    assert len(rates) == 40
    assert rates[:10] == pytest.approx([step / 10 for step in range(1, 11)])
    assert all(later <= earlier for earlier, later in pairwise(rates[9:]))
    assert rates[25] == pytest.approx(0.5)
    assert 0 < rates[-1] < 0.01


def test_the_rate_falls_on_a_plateau(monkeypatch):
    rates, _ = steps_of(monkeypatch, epochs=40, patience=9, learning_rate=0.01, warm_up=0.0, schedule="plateau")
    assert sorted(set(rates), reverse=True)[:3] == [0.01, 0.0025, 0.000625]
    assert all(later <= earlier for earlier, later in pairwise(rates))


def test_dropout_and_decay_follow_their_schedule_and_are_put_back(monkeypatch):
    seen = []
    step = AdamW.step

    def noted(self, *args, **kwargs):
        seen.append(
            (self.param_groups[0]["weight_decay"], module.blocks[0].dropout.p, self.param_groups[1]["weight_decay"])
        )
        return step(self, *args, **kwargs)

    monkeypatch.setattr(AdamW, "step", noted)
    module = network(dropout=0.5)
    changes = {"regularisation": "flat_cos", "weight_decay": 0.25, "epochs": 10}
    fit_net(module, rows(), None, config=config(**changes), allotment=ONE_THREAD, deadline=NEVER)
    assert seen[:21] == [(0.25, 0.5, 0.0)] * 21
    assert seen[30] == pytest.approx((0.125, 0.25, 0.0))
    assert 0 < seen[39][0] < 0.01
    assert module.blocks[0].dropout.p == 0.5


def test_without_averaging_the_weights_themselves_are_kept():
    kept = {averaging: state(fitted(network(), averaging=averaging, watch=False)) for averaging in (True, False)}
    assert kept[True] != kept[False]


def test_the_last_of_equal_epochs_is_kept():
    train = rows()
    # Far from zero, the class is plain to see: no error is left long before the end.
    train = replace(train, numeric=train.numeric * 50)
    changes = {"watched": "errors", "epochs": 12, "patience": 12}
    summary = fit_net(network(), train, train, config=config(**changes), allotment=ONE_THREAD, deadline=NEVER)
    least = [number for number, loss in enumerate(summary.losses, start=1) if loss == min(summary.losses)]
    assert len(least) > 1, "the check needs epochs that are alike"
    assert summary.best_epoch == least[-1]


def test_class_weights_move_predictions_to_the_rare_class():
    train = rows(200)
    noise = torch.Generator().manual_seed(5)
    train = replace(train, target=(torch.rand(200, generator=noise) < 0.1).long())

    def rare(weights: tuple[float, ...]) -> float:
        module = network()
        fit_net(
            module,
            train,
            None,
            config=config(class_weights=weights, epochs=10),
            allotment=ONE_THREAD,
            deadline=NEVER,
        )
        return forward_in_chunks(module, train, 200).softmax(1)[:, 1].mean().item()

    assert rare(()) < 0.2
    assert 0.35 < rare((0.55, 5.0)) < 0.65


def test_smoothed_labels_are_for_training_alone():
    loss = Loss("cross_entropy", (), 0.2, "cpu")
    output, target = torch.tensor([[5.0, -5.0]]), torch.tensor([0])
    assert loss(output, target).item() > 0.9
    assert loss.watch(output, target) < 0.01


def test_the_share_of_errors_can_be_watched():
    output = torch.tensor([[5.0, -5.0], [1.0, 2.0], [2.0, 1.0], [0.0, 1.0]])
    loss = Loss("cross_entropy", (), 0.0, "cpu", watched="errors")
    assert loss.watch(output, torch.tensor([0, 1, 1, 1])) == 0.25


def test_each_member_has_a_loss_of_its_own():
    loss = Loss("cross_entropy", (), 0.0, "cpu")
    output = torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(0))
    target = torch.tensor([[0, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, 1]])
    each = [loss(output[member], target[member]) for member in range(3)]
    assert loss(output, target).item() == pytest.approx(torch.stack(each).mean().item())
    shared = [loss(output[member], target[0]) for member in range(3)]
    assert loss(output, target[0]).item() == pytest.approx(torch.stack(shared).mean().item())


@pytest.mark.parametrize(("name", "value"), [("mse", 4.0), ("mae", 2.0)])
def test_losses_of_values(name, value):
    assert Loss(name, (), 0.0, "cpu").watch(torch.tensor([[1.0], [3.0]]), torch.tensor([3.0, 1.0])) == value


@pytest.mark.parametrize("normalization", ["batch", "layer"])
@pytest.mark.parametrize("n_rows", [1, 2, 33, 65])
def test_a_batch_of_one_row_never_comes_up(normalization, n_rows):
    train = rows(n_rows)
    module = network(normalization=normalization)
    fit_net(module, train, None, config=config(epochs=2), allotment=ONE_THREAD, deadline=NEVER)
    assert forward_in_chunks(module, train, 8).isfinite().all()


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_learns_as_well(precision):
    module = fitted(network(dropout=0.0), precision=precision, epochs=20)
    test = rows(100, seed=2)
    output = forward_in_chunks(module, test, 100)
    assert output.dtype == torch.float32
    assert (output.argmax(1) == test.target).float().mean() > 0.85


def test_a_loss_that_is_not_finite_is_told():
    train = rows()
    train.numeric[0, 0] = math.nan
    with pytest.raises(FloatingPointError, match=r"loss must stay finite.*lower learning_rate \(0.01\)"):
        fit_net(network(), train, train, config=config(epochs=2), allotment=ONE_THREAD, deadline=NEVER)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_gpu_learns_and_hands_back_a_module_on_the_cpu(precision, tmp_path):
    allotment = Allotment(device="cuda", gpu=1.0, checkpoint=tmp_path)
    module = network(dropout=0.1, numeric_embedding="piecewise")
    whole = fitted(copy.deepcopy(module), allotment=Allotment(device="cuda"), precision=precision)
    with pytest.raises(DeadlineReached):
        fitted(copy.deepcopy(module), allotment=allotment, deadline=CountedDeadline(9), precision=precision)
    resumed = fitted(copy.deepcopy(module), allotment=allotment, precision=precision)
    assert {parameter.device.type for parameter in resumed.parameters()} == {"cpu"}
    assert state(resumed) == state(whole)


@pytest.mark.parametrize("steps", [0, 3, 4, 9])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"schedule": "plateau", "patience": 3, "learning_rate": 0.2},
        {"precision": "float16"},
        {"schedule": "coslog4", "regularisation": "flat_cos", "averaging": False, "clip_norm": math.inf},
    ],
    ids=["cosine", "plateau", "float16", "coslog4"],
)
def test_an_interrupted_fit_ends_with_the_same_bits(tmp_path, steps, changes):
    module = network(normalization="batch", numeric_embedding="piecewise")
    whole = state(fitted(copy.deepcopy(module), **changes))
    allotment = Allotment(checkpoint=tmp_path / "fit")
    with pytest.raises(DeadlineReached, match=f"in epoch {steps // 4 + 1} of 6"):
        fitted(copy.deepcopy(module), allotment=allotment, deadline=CountedDeadline(steps), **changes)
    left = CountedDeadline(1000)
    assert state(fitted(copy.deepcopy(module), allotment=allotment, deadline=left, **changes)) == whole
    assert 1000 - left.looks <= 24 - steps, "what was done must not be done again"
    assert not (tmp_path / "fit").exists()


def test_interrupted_twice(tmp_path):
    allotment = Allotment(checkpoint=tmp_path)
    for _ in range(2):
        with pytest.raises(DeadlineReached):
            fitted(network(), allotment=allotment, deadline=CountedDeadline(5))
    assert state(fitted(network(), allotment=allotment)) == state(fitted(network()))


def test_a_killed_fit_leaves_what_it_wrote_by_the_clock(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.nets.fit._CHECKPOINT_SECONDS", 0.0)

    class Killed(Deadline):
        looks = 0

        @property
        def passed(self) -> bool:
            Killed.looks += 1
            if Killed.looks == 10:
                raise KeyboardInterrupt
            return False

    allotment = Allotment(checkpoint=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        fitted(network(), allotment=allotment, deadline=Killed(None))
    assert [path.name for path in tmp_path.iterdir()] == ["fit.safetensors"]
    left = CountedDeadline(1000)
    assert state(fitted(network(), allotment=allotment, deadline=left)) == state(fitted(network()))
    assert 1000 - left.looks == 24 - 9


def test_a_checkpoint_of_another_fit_is_not_taken_up(tmp_path):
    allotment = Allotment(checkpoint=tmp_path)
    with pytest.raises(DeadlineReached):
        fitted(network(), allotment=allotment, deadline=CountedDeadline(9), seed=8)
    assert state(fitted(network(), allotment=allotment)) == state(fitted(network()))


def test_a_damaged_checkpoint_is_not_taken_up(tmp_path):
    checkpoint = Checkpoint(tmp_path, "key")
    checkpoint.write(State(tensors={"a": torch.ones(3)}, values={"epoch": 2, "best": math.inf}))
    read = checkpoint.read()
    assert read is not None
    assert read.values == {"epoch": 2, "best": math.inf}
    assert torch.equal(read.tensors["a"], torch.ones(3))
    path = tmp_path / "fit.safetensors"
    path.write_bytes(path.read_bytes()[:-5])
    assert checkpoint.read() is None


def test_a_deadline_without_a_checkpoint_leaves_no_trace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DeadlineReached):
        fitted(network(), deadline=Deadline(0.0))
    assert list(tmp_path.iterdir()) == []
