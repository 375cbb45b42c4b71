"""Files that several processes need are made once, and a killed process leaves its own to another."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import get_ident

import numpy as np
import pytest

from hetvs.arrays import load_array, save_array
from hetvs.training.made_once import make_missing


def test_two_that_come_at_once_divide_the_files_and_make_none_twice(tmp_path: Path) -> None:
    made: list[tuple[int, int]] = []

    def make(number: int) -> np.ndarray:
        made.append((number, get_ident()))
        time.sleep(0.02)
        return np.full(3, number)

    paths = [tmp_path / "views" / f"{number}.npy" for number in range(8)]
    with ThreadPoolExecutor(2) as pool:  # locks are of open files, so that threads stand for processes
        for done in [pool.submit(make_missing, {p: partial(make, n) for n, p in enumerate(paths)}) for _ in range(2)]:
            done.result()
    assert sorted(number for number, _ in made) == list(range(8))
    assert len({who for _, who in made}) == 2, "one of the two only waited"
    assert [load_array(path)[0] for path in paths] == list(range(8))


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    save_array(tmp_path / "a.npy", np.arange(2))
    make_missing({tmp_path / "a.npy": lambda: pytest.fail("made again")})


def test_a_killed_process_leaves_its_file_to_another(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from hetvs.training.made_once import make_missing\n"
        "make_missing({Path(sys.argv[1]): lambda: (print('at it', flush=True), time.sleep(60))})"
    )
    path = tmp_path / "a.npy"
    with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at it\n"
        with ThreadPoolExecutor(1) as pool:
            waits = pool.submit(make_missing, {path: lambda: np.arange(3)})
            time.sleep(0.1)
            assert not waits.done()
            process.kill()
            waits.result(timeout=30)
    assert load_array(path).tolist() == [0, 1, 2]
