"""The one training loop: AdamW, schedules, clipping, averaging, early stopping, checkpoints."""

import copy
import math
import time
from dataclasses import asdict, dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import Tensor, nn

from bench.family import DeadlineReached
from bench.identity import digest
from bench.nets.adamw import AdamW
from bench.nets.checkpoint import Checkpoint, State
from bench.nets.determinism import reproducible
from bench.nets.loss import Loss, LossName, Watched
from bench.nets.modules import Dropout
from bench.nets.rows import RESIDENT_BYTES, Batch, BatchOrder, Rows, make_loader
from bench.nets.schedules import RATES, SHARES, RateSchedule, ShareSchedule
from bench.nets.weights import flat_size, flatten, parameter_groups, unflatten, views
from bench.resources import Allotment, Deadline

_CHECKPOINT_SECONDS = 5.0
_CHUNK_ROWS = 1024
_AVERAGING = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class FitConfig:
    """How a module is trained.

    ``warm_up`` is the share of all steps in which the learning rate rises to its peak; ``schedule`` goes on from there
    to the last of ``epochs``: see `bench.nets.schedules`, but ``plateau`` divides it by 4 whenever a third of
    ``patience`` has passed without a better validation loss. ``regularisation`` is the schedule of weight decay and
    dropout. ``patience`` counts epochs without a better loss until the fit stops. Gradients longer than ``clip_norm``
    are cut. ``averaging`` watches and keeps averaged weights. With ``members``, a net's members take batches of their
    own. ``class_weights`` holds one weight a class, or nothing. ``precision`` other than float32 is mixed precision.
    ``stop_at`` ends a fit after so many epochs of its schedule.
    """

    loss: LossName
    learning_rate: float
    weight_decay: float
    batch_size: int
    epochs: int
    patience: int
    seed: int
    schedule: RateSchedule = "cosine"
    regularisation: ShareSchedule = "flat"
    betas: tuple[float, float] = (0.9, 0.999)
    warm_up: float = 0.1
    clip_norm: float = 1.0
    averaging: bool = True
    members: int = 1
    label_smoothing: float = 0.0
    watched: Watched = "loss"
    class_weights: tuple[float, ...] = ()
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    stop_at: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FitSummary:
    """What a fit came to: the validation loss after each epoch (none without validation rows), the best's number."""

    losses: tuple[float, ...]
    best_epoch: int


def forward_in_chunks(module: nn.Module, rows: Rows, chunk_rows: int) -> Tensor:
    """Compute the outputs of every row, in evaluation mode, ``chunk_rows`` at a time.

    Every chunk has the same shape, the last one filled up with zeros: matrix products round otherwise for other
    shapes, and a row must not depend on which others are asked for with it.
    """
    module.eval()
    outputs = []
    with torch.inference_mode():
        for first in range(0, max(1, len(rows)), chunk_rows):
            numeric, codes, _ = rows[slice(first, first + chunk_rows)]
            missing = chunk_rows - len(numeric)
            if missing:
                numeric, codes = F.pad(numeric, (0, 0, 0, missing)), F.pad(codes, (0, 0, 0, missing))
            outputs.append(module(numeric, codes)[: chunk_rows - missing])
    return torch.cat(outputs)


def fit_net(
    module: nn.Module,
    train: Rows,
    valid: Rows | None,
    *,
    config: FitConfig,
    allotment: Allotment,
    deadline: Deadline,
) -> FitSummary:
    """Train ``module`` in place, and leave it on the CPU with the weights of the best epoch, the last of equals.

    What is watched and kept is, with ``averaging``, a running average of the weights over about the last ninth of the
    steps (polynomial decay averaging, Shamir and Zhang 2013): smoother than the weights themselves, and nearly free.

    Where ``allotment.checkpoint`` names a folder, the state is written there every few seconds and when the deadline
    passes; the next call with the same arguments goes on from it and ends with the same bits. Without ``valid`` all
    epochs are run and the last weights stay.

    Raises:
        DeadlineReached: the deadline passed before the last epoch.
        FloatingPointError: no epoch ended with a finite loss.
    """
    with reproducible(config.seed, allotment):
        return _Fit(module, train, valid, config, allotment, deadline).run()


@dataclass(slots=True)
class _Progress:
    """Where a fit stands, in plain values: what a checkpoint keeps beside the tensors."""

    epoch: int = 0
    batch: int = 0
    losses: list[float] = field(default_factory=list)
    best_loss: float = math.inf
    best_epoch: int = 0
    rate_scale: float = 1.0
    rate_epoch: int = 0


class _Fit:
    """One fit under way."""

    def __init__(
        self,
        module: nn.Module,
        train: Rows,
        valid: Rows | None,
        config: FitConfig,
        allotment: Allotment,
        deadline: Deadline,
    ) -> None:
        self.config, self.deadline, self.device = config, deadline, allotment.device
        if self.device == "cuda":  # others have the rest of it
            torch.cuda.set_per_process_memory_fraction(min(1.0, allotment.gpu or 1.0))
        self.valid = valid.to(self.device) if valid is not None else None
        resident = self.device != "cuda" or train.n_bytes <= RESIDENT_BYTES
        train = train.to(self.device) if resident else train
        where = str(train.target.device)
        self.order = BatchOrder(
            len(train), batch_size=config.batch_size, seed=config.seed, device=where, members=config.members
        )
        self.steps = config.epochs * self.order.n_batches
        self.loader = make_loader(train, self.order, allotment)
        self.module = module.to(self.device)
        self.dropouts = [(part, part.p) for part in module.modules() if isinstance(part, Dropout)]
        self.averaged = copy.deepcopy(self.module) if config.averaging else self.module
        self.groups = parameter_groups(self.module)
        self.parameters = [p for group in self.groups for p in group.parameters]
        self.weights = flatten(self.parameters)
        self.average = self.weights
        if config.averaging:
            self.average = flatten([p for group in parameter_groups(self.averaged) for p in group.parameters])
        self.optimizer = self._make_optimizer()
        self.scaler = torch.amp.GradScaler(self.device, enabled=config.precision == "float16")
        self.loss = Loss(config.loss, config.class_weights, config.label_smoothing, self.device, watched=config.watched)
        self.progress = _Progress()
        self.best: dict[str, Tensor] = {}
        self.checkpoint = self._make_checkpoint(allotment, len(train))
        self.written_at = time.monotonic()

    def _make_optimizer(self) -> AdamW:
        """Make AdamW over the flat weights, a slice of them for each group."""
        gradient = torch.zeros_like(self.weights)
        for parameter, view in zip(self.parameters, views(gradient, self.parameters), strict=True):
            parameter.grad = view
        parts, end = [], 0
        for group in self.groups:
            part = slice(end, end := end + flat_size(group.parameters))
            weights = nn.Parameter(self.weights[part])
            weights.grad = gradient[part]
            parts.append(weights)
        return AdamW(parts, learning_rate=self.config.learning_rate, betas=self.config.betas)

    def run(self) -> FitSummary:
        """Train to the end, from where a checkpoint left off."""
        self._resume()
        progress, config = self.progress, self.config
        last = min(config.epochs, config.stop_at or config.epochs)
        while progress.epoch < last and progress.epoch - progress.best_epoch < config.patience:
            self._train_epoch()
            self._end_epoch()
        unflatten(self.parameters)
        for part, p in self.dropouts:
            part.p = p
        self.module.load_state_dict(self.best or self.averaged.state_dict())
        self.module.to("cpu").eval()
        if (self.valid is not None and not self.best) or not all(bool(p.isfinite().all()) for p in self.parameters):
            raise FloatingPointError(
                f"the loss must stay finite, got none that was; lower learning_rate ({config.learning_rate:g})."
            )
        if self.checkpoint is not None:
            self.checkpoint.remove()
        return FitSummary(losses=tuple(progress.losses), best_epoch=progress.best_epoch)

    def _train_epoch(self) -> None:
        """Take the steps that are left of this epoch."""
        progress = self.progress
        self.module.train()
        self.order.start(epoch=progress.epoch, batch=progress.batch)
        for batch in self.loader:
            if self.deadline.passed:
                self._write()
                raise DeadlineReached(f"the deadline passed in epoch {progress.epoch + 1} of {self.config.epochs}")
            self._set_shares(progress.epoch * self.order.n_batches + progress.batch)
            self._step(batch)
            progress.batch += 1
            self._average(progress.epoch * self.order.n_batches + progress.batch)
            if time.monotonic() - self.written_at >= _CHECKPOINT_SECONDS:
                self._write()

    def _step(self, batch: Batch) -> None:
        """Take one optimizer step."""
        numeric, codes, target = (part.to(self.device, non_blocking=True) for part in batch)
        self.optimizer.zero_grad()
        precision = self.config.precision
        with torch.autocast(self.device, dtype=getattr(torch, precision), enabled=precision != "float32"):
            output = self.module(numeric, codes)
        loss = self.loss(output.float(), target)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]  # torch leaves it so
        self.scaler.unscale_(self.optimizer)  # type: ignore[arg-type]  # of an optimizer it asks no more
        if self.config.clip_norm < math.inf:
            flat = [weights for group in self.optimizer.param_groups for weights in group["params"]]
            nn.utils.clip_grad_norm_(flat, self.config.clip_norm)
        self.scaler.step(self.optimizer)  # type: ignore[arg-type]
        self.scaler.update()

    def _set_shares(self, step: int) -> None:
        """Set rates, decays and dropouts for a step, counted from 0."""
        config = self.config
        rate = config.learning_rate * self._rate(step)
        share = SHARES[config.regularisation](step / self.steps)
        for group, options in zip(self.groups, self.optimizer.param_groups, strict=True):
            options["lr"] = rate * group.rate
            options["weight_decay"] = config.weight_decay * group.decay * share
        for part, p in self.dropouts:
            part.p = p * share

    def _rate(self, step: int) -> float:
        """Share of the learning rate: linear warm-up, then the schedule, or what the plateaus left."""
        warm_up = round(self.config.warm_up * self.steps)
        if step < warm_up:
            return (step + 1) / warm_up
        return self.progress.rate_scale * RATES[self.config.schedule]((step - warm_up) / (self.steps - warm_up))

    def _average(self, steps: int) -> None:
        """Move the averaged weights towards those after so many steps."""
        if self.config.averaging:
            self.average.lerp_(self.weights, (_AVERAGING + 1) / (_AVERAGING + steps))

    def _end_epoch(self) -> None:
        """Look at the validation rows: keep the weights when they are the best so far, note a plateau."""
        progress = self.progress
        progress.epoch, progress.batch = progress.epoch + 1, 0
        if self.config.averaging:
            # What norms have seen is a running average already.
            for averaged, current in zip(self.averaged.buffers(), self.module.buffers(), strict=True):
                averaged.copy_(current)
        if self.valid is None:
            progress.best_epoch = progress.epoch
            return
        output = forward_in_chunks(self.averaged, self.valid, min(len(self.valid), _CHUNK_ROWS))
        loss = self.loss.watch(output, self.valid.target)
        progress.losses.append(loss)
        if loss <= progress.best_loss and math.isfinite(loss):
            progress.best_loss, progress.best_epoch = loss, progress.epoch
            self.best = {name: tensor.clone() for name, tensor in self.averaged.state_dict().items()}
        elif self._on_a_plateau():
            progress.rate_scale, progress.rate_epoch = progress.rate_scale / 4, progress.epoch

    def _on_a_plateau(self) -> bool:
        """Whether the rate is to fall, because a third of the patience is over."""
        progress, config = self.progress, self.config
        since = progress.epoch - max(progress.best_epoch, progress.rate_epoch)
        return config.schedule == "plateau" and since >= config.patience / 3

    def _make_checkpoint(self, allotment: Allotment, n_rows: int) -> Checkpoint | None:
        """Make the checkpoint where a folder was given, keyed by what decides the fit."""
        if allotment.checkpoint is None:
            return None
        shapes = [list(parameter.shape) for parameter in self.parameters]
        key = digest(asdict(self.config), shapes, n_rows, self.device, torch.__version__)
        return Checkpoint(allotment.checkpoint, key)

    def _write(self) -> None:
        """Write everything that the rest of the fit depends on."""
        self.written_at = time.monotonic()
        if self.checkpoint is None:
            return
        tensors = {f"module.{name}": tensor for name, tensor in self.module.state_dict().items()}
        if self.config.averaging:
            tensors |= {f"averaged.{name}": tensor for name, tensor in self.averaged.state_dict().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        tensors |= {f"optimizer.{name}": tensor for name, tensor in self.optimizer.state().items()}
        tensors["rng.cpu"] = torch.get_rng_state()
        if self.device == "cuda":
            tensors["rng.cuda"] = torch.cuda.get_rng_state()
        values = {"progress": asdict(self.progress), "scaler": self.scaler.state_dict()}
        self.checkpoint.write(State(tensors=tensors, values=values))

    def _resume(self) -> None:
        """Go on from the checkpoint, if there is one."""
        state = self.checkpoint.read() if self.checkpoint is not None else None
        if state is None:
            return
        self.module.load_state_dict(_below("module", state.tensors))
        if self.config.averaging:
            self.averaged.load_state_dict(_below("averaged", state.tensors))
        self.best = {name: tensor.to(self.device) for name, tensor in _below("best", state.tensors).items()}
        self.optimizer.load(_below("optimizer", state.tensors))
        self.progress = _Progress(**state.values["progress"])
        self.scaler.load_state_dict(state.values["scaler"])
        torch.set_rng_state(state.tensors["rng.cpu"])
        if self.device == "cuda":
            torch.cuda.set_rng_state(state.tensors["rng.cuda"])


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Pick the tensors whose names start with a prefix, without it."""
    return {name.removeprefix(f"{prefix}."): t for name, t in tensors.items() if name.startswith(f"{prefix}.")}
