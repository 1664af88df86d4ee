"""How large a table may be: a long one and a wide one, each through `bench run`, with the memory of all its processes.

    python tests/benchmarks/size.py [--only long] [--rows 10000000] [--budget 300] [--keep FOLDER]

``long`` is 10 million rows by 20 columns (floats, whole numbers, categories, a binary target), ``wide`` 500 rows by
100,000 floats; both are written as parquet first. Memory is the proportional set size (PSS) of the command and of all
that it starts, summed from /proc/<pid>/smaps_rollup every half second: pages that several processes share count once,
and files that are mapped count while they are in memory. A run must end with a leaderboard, the long one within 4
times the memory of its frame as polars reads it.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

BENCH = Path(sys.executable).with_name("bench")
LIMIT = 4.0
_CHUNK = 500_000
_SECONDS_A_SAMPLE = 0.5


def write_long(path, rows):
    """Twenty columns whose target follows from some of them."""
    rng = np.random.default_rng(0)
    with contextlib.ExitStack() as stack:
        writer = None
        for begin in range(0, rows, _CHUNK):
            n = min(_CHUNK, rows - begin)
            columns = {f"float_{i}": rng.normal(size=n) for i in range(11)}
            columns |= {f"count_{i}": rng.poisson(3 * 10**i, n) for i in range(4)}
            columns["when"] = rng.integers(1_500_000_000, 1_700_000_000, n)
            columns |= {
                f"kind_{levels}": np.array([f"level {i}" for i in range(levels)])[rng.integers(0, levels, n)]
                for levels in (4, 12, 60)
            }
            signal = columns["float_0"] + 0.5 * columns["float_1"] * (columns["kind_4"] == "level 1")
            signal += 0.2 * (columns["count_0"] - 3) + rng.normal(size=n)
            table = pa.table(columns | {"y": np.where(signal > 0.8, "yes", "no")})
            writer = writer or stack.enter_context(pq.ParquetWriter(path, table.schema))
            writer.write_table(table)


def write_wide(path, columns):
    """Five hundred rows of noise, a few columns of which tell the target."""
    values = np.random.default_rng(0).normal(size=(500, columns)).astype(np.float64)
    frame = pl.DataFrame(values, schema=[f"x{i}" for i in range(columns)])
    signal = values[:, :10].sum(axis=1)
    frame.with_columns(y=pl.Series(np.where(signal > 0, "yes", "no"))).write_parquet(path)


def frame_bytes(path):
    """Size in memory as polars reads the file, found in a process of its own."""
    code = f"import polars as pl; print(pl.read_parquet({str(path)!r}).estimated_size())"
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def memory_of(session):
    """Bytes of PSS of the processes of a session, by process number and what it is called."""
    found = {}
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            if int((folder / "stat").read_text().rpartition(")")[2].split()[3]) == session:
                lines = (folder / "smaps_rollup").read_text().splitlines()
                name = (folder / "cmdline").read_text().replace("\0", " ")[:60]
                found[int(folder.name), name] = next(int(x.split()[1]) * 1024 for x in lines if x.startswith("Pss:"))
    return found


class Watch:
    """Samples the memory of a session until it is told to stop; keeps the largest sum, and when that was."""

    def __init__(self, session):
        """Begin."""
        self.peak, self.at, self.parts, self.curve = 0, 0.0, {}, []
        self._session, self._begun = session, time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self):
        while not self._stop.wait(_SECONDS_A_SAMPLE):
            parts = memory_of(self._session)
            total, now = sum(parts.values()), time.monotonic() - self._begun
            self.curve.append((round(now, 1), round(total / 1e9, 2)))
            if total > self.peak:
                self.peak, self.at, self.parts = total, now, parts

    def stop(self):
        """End."""
        self._stop.set()
        self._thread.join()


def run(path, folder, budget, *options):
    """Run bench on a table; print how long it took, what came out and how much memory it had."""
    command = ["run", "--dataset", path, "--target", "y", "--budget", f"{budget}s", "--output", folder, "--no-track"]
    begun = time.monotonic()
    with (folder.parent / "stderr.txt").open("w") as err:
        process = subprocess.Popen(
            [BENCH, *map(str, command), *options],
            stdout=subprocess.DEVNULL,
            stderr=err,
            start_new_session=True,
            env=os.environ | {"NO_COLOR": "1"},
        )
        watch = Watch(process.pid)
        code = process.wait()
    seconds = time.monotonic() - begun
    watch.stop()
    size = frame_bytes(path)
    print(f"{path.name}: exit code {code}, {seconds:.0f} s of {budget} s, frame {size / 1e9:.2f} GB in memory")
    print(
        f"  all processes: peak {watch.peak / 1e9:.2f} GB, {watch.peak / size:.2f} times the frame, at {watch.at:.0f} s"
    )
    for (_, name), memory in sorted(watch.parts.items(), key=lambda item: -item[1])[:4]:
        print(f"    {memory / 1e9:.2f} GB  {name}")
    step = max(1, len(watch.curve) // 40)
    print(f"  GB by second: {' '.join(f'{at:.0f}:{gb}' for at, gb in watch.curve[::step])}")
    if code == 0:
        board = pl.read_parquet(folder / "leaderboard.parquet")
        shown = board.select("rank", "model", "status", "cv_mean", "test", "fit_seconds", "reason")
        with pl.Config(tbl_rows=50, tbl_cols=20, fmt_str_lengths=80, tbl_width_chars=180):
            print(shown)
    else:
        print((folder.parent / "stderr.txt").read_text()[-3000:])
    met = code == 0 and seconds <= budget + 3
    return {"seconds": round(seconds, 1), "times_the_frame": round(watch.peak / size, 2), "met": met}


def main():
    """Write the tables and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["long", "wide"])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--columns", type=int, default=100_000)
    parser.add_argument("--budget", type=int, default=300)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("options", nargs="*", help="further options of bench run, after --")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        place = arguments.keep or Path(scratch)
        place.mkdir(parents=True, exist_ok=True)
        tables = {"long": (write_long, arguments.rows), "wide": (write_wide, arguments.columns)}
        for name, (write, size) in tables.items():
            if arguments.only not in (None, name):
                continue
            path = place / f"{name}-{size}.parquet"
            if not path.exists():
                write(path, size)
            with tempfile.TemporaryDirectory(dir=place) as folder:
                told = run(path, Path(folder) / "run", arguments.budget, *arguments.options)
            if name == "long":
                told["met"] = told["met"] and told["times_the_frame"] <= LIMIT
            print(json.dumps({name: told}), flush=True)


if __name__ == "__main__":
    main()
