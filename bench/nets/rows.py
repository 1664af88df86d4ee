"""Rows as tensors, and the loader that hands them out in batches."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from bench.identity import seed_for
from bench.metric import Array
from bench.recipes import Encoded
from bench.resources import Allotment

Batch = tuple[Tensor, Tensor, Tensor]

#: Up to this size a GPU holds all rows itself: taking a batch there costs microseconds, and nothing is copied.
RESIDENT_BYTES = 2**30
_MAX_WORKERS = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows(Dataset[Batch]):
    """Rows of one fold: ``numeric`` float32 [n, p], ``codes`` int64 [n, c], ``target`` int64 or float32 [n]."""

    numeric: Tensor
    codes: Tensor
    target: Tensor

    @classmethod
    def of(cls, X: Encoded, target: Array) -> "Rows":
        """Copy encoded rows, whose categorical columns stand last, into tensors."""
        first = X.values.shape[1] - len(X.categorical)
        return cls(
            numeric=torch.from_numpy(X.values[:, :first].copy()),
            codes=torch.from_numpy(X.values[:, first:].astype("int64")),
            target=torch.from_numpy(target.copy()),
        )

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.target)

    def __getitem__(self, index: Tensor | slice) -> Batch:
        """Take a whole batch at once, by row numbers that lie on the rows' device, or by a slice."""
        return self.numeric[index], self.codes[index], self.target[index]

    @property
    def n_bytes(self) -> int:
        """Bytes that the rows take."""
        return sum(part.nbytes for part in (self.numeric, self.codes, self.target))

    def to(self, device: str) -> "Rows":
        """Put the rows on a device."""
        return replace(
            self, numeric=self.numeric.to(device), codes=self.codes.to(device), target=self.target.to(device)
        )


class BatchOrder(Sampler[Tensor]):
    """Shuffled batches of nearly equal size, each epoch's order a function of the seed and the epoch alone.

    Equal sizes leave no last batch of a single row, on which batch normalization fails; a lone row is given twice.
    With more than one of ``members`` a batch is [members, size]: each goes through the rows in an order of its own.
    """

    def __init__(self, n_rows: int, *, batch_size: int, seed: int, device: str, members: int = 1) -> None:
        """Cut ``n_rows`` into batches of at most ``batch_size``, whose row numbers are put on ``device``."""
        self._members = members
        self.n_batches = -(-n_rows // batch_size)
        self._n_rows = n_rows
        self._seed = seed
        self._device = device
        self._epoch = 0
        self._first = 0

    def start(self, *, epoch: int, batch: int) -> None:
        """Begin the next iteration at a batch of an epoch."""
        self._epoch, self._first = epoch, batch

    def __iter__(self) -> Iterator[Tensor]:
        """Yield row numbers, batch by batch."""
        generator = torch.Generator().manual_seed(seed_for(self._seed, "shuffle", self._epoch))
        orders = [torch.randperm(self._n_rows, generator=generator) for _ in range(self._members)]
        order = torch.stack(orders) if self._members > 1 else orders[0]
        if self._n_rows == 1:
            order = order.repeat_interleave(2, dim=-1)
        yield from order.to(self._device).tensor_split(self.n_batches, dim=-1)[self._first :]

    def __len__(self) -> int:
        """Count the batches of a whole epoch."""
        return self.n_batches


def make_loader(rows: Rows, order: BatchOrder, allotment: Allotment) -> DataLoader[Batch]:
    """Load batches of ``rows`` in ``order``.

    Workers and pinned memory pay where rows lie in the host's memory and a GPU waits for them. A CPU that trains gets
    none: taking 256 rows by index costs 0.07 ms there, and 3 ms when another process hands them over.
    """
    copies = allotment.device == "cuda" and rows.numeric.device.type == "cpu"
    workers = min(_MAX_WORKERS, allotment.cpus - 1) if copies else 0
    return DataLoader(
        rows,
        sampler=order,
        batch_size=None,  # the sampler yields whole batches
        num_workers=workers,
        pin_memory=copies,
        persistent_workers=workers > 0,
        # Threads of the parent hold locks that a forked child would wait for.
        multiprocessing_context="spawn" if workers else None,
        # Left out, each epoch would draw from the global generator.
        generator=torch.Generator(),
    )


def batch_size_for(n_rows: int) -> int:
    """Rows a batch, by the number of training rows (the steps of AutoGluon's TabM)."""
    for most, size in ((2_800, 32), (4_500, 64), (6_400, 128), (32_000, 256), (108_000, 512)):
        if n_rows < most:
            return size
    return 1024
