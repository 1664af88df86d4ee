"""A limit on memory, held by the whole tree of a run's processes."""

import threading

import pytest
from processes import board, command, events
from ray_fixture import families_at_large  # noqa: F401 - a fixture

from bench.processes import descendants, memory_of

GIB = 2**30


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_item_52_a_fit_that_takes_too_much_is_ended_and_the_others_go_on(tmp_path, families_at_large):  # noqa: F811
    asked = ("run", "--no-track", "--dataset", "penguins", "--trials", 8, "--families", "dummy,grows,polite,linear")
    folder, peak, over = tmp_path / "run", [0], threading.Event()
    with command(*asked, "--memory", "2GiB", "--output", folder, folder=tmp_path, PYTHONPATH=families_at_large) as run:

        def weigh():
            while not over.wait(0.1):
                held = sum(map(memory_of, [run.process.pid, *descendants(run.process.pid)]))
                peak[0] = max(peak[0], held)

        weighing = threading.Thread(target=weigh)
        weighing.start()
        code = run.wait(240)
        over.set()
        weighing.join()
        assert code == 0, run.stderr
        assert "1 CPUs (memory)" in run.stderr
        assert "2.0 GiB of memory; --memory sets less." in run.stderr
    assert peak[0] < 2 * GIB
    family = {candidate["trial_id"]: candidate["family"] for candidate in events(folder, "candidate")}
    ends = {(family[fold["trial_id"]], fold["status"]) for fold in events(folder, "fold")}
    assert ("grows", "out_of_memory") in ends
    assert ("polite", "ok") in ends
    assert ("linear", "ok") in ends
    reasons = {fold["reason"] for fold in events(folder, "fold") if fold["status"] == "out_of_memory"}
    assert all("GiB when all that may be used, 2.0 GiB, was" in reason for reason in reasons)
    assert board(folder).filter(board(folder)["status"] == "ok").height >= 3
