"""One operator at a time: the graphs mean what they say, and the table is summed, fitted, written and read."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_bench.operators.graphs import FEW, MANY, pair_of
from edge_bench.operators.table import per_copy, time_models, time_operators
from edge_bench.operators.timing import Timed
from hetvs.cli import main
from hetvs.config import LatencyConfig
from hetvs.errors import ArtifactError, ConfigError
from hetvs.nas.latency import Comparison, LatencyTable, features, fit_costs, reachable
from hetvs.nas.operators import KINDS, Operator, operators
from hetvs.nas.space import SPACES, Architecture

DIM = 16
SPACE = replace(SPACES["hetvs-s"], sizes=(32,))
EXAMPLES = {  # of every kind
    "conv": Operator("conv", 1, 1, 32, 16, 1, 8),
    "conv_relu": Operator("conv_relu", 5, 2, 32, 32, 32, 8),
    "add": Operator("add", 1, 1, 16, 16, 16, 8),
    "shuffle": Operator("shuffle", 1, 1, 32, 32, 1, 8),
    "concat": Operator("concat", 1, 1, 32, 32, 1, 8),
    "pool": Operator("pool", 4, 1, 32, 32, 32, 4),
    "linear": Operator("linear", 1, 1, 32, 16, 1, 1),
}
IN_GRAPH = {
    "conv": "Conv",
    "conv_relu": "Conv",
    "add": "Add",
    "shuffle": "Slice",
    "pool": "ReduceMean",
    "linear": "Gemm",
}


def table(spread: float = 0.0) -> LatencyTable:
    """A table whose ratios are the MACs, each off by up to `spread`."""
    random = np.random.default_rng(0)
    ratios = {op: (op.macs + 1) * 1e-8 * float(1 + spread * random.uniform(-1, 1)) for op in reachable(SPACE, DIM)}
    return LatencyTable(ratios=ratios, runtime={"runtime": "formula"})


def test_an_example_of_every_kind_is_tested() -> None:
    assert set(EXAMPLES) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_two_graphs_differ_by_the_operator_and_run(kind: str) -> None:
    """Copies are counted in the graph as drawn, and ONNX Runtime takes both."""
    pair = pair_of(EXAMPLES[kind])
    counts = []
    for graph in (pair.larger, pair.smaller):
        onnx.checker.check_model(graph, full_check=True)
        counts.append(Counter(node.op_type for node in graph.graph.node))
        session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
        (declared,) = session.get_inputs()
        (found,) = session.run(None, {declared.name: np.ones(declared.shape, np.float32)})
        assert np.isfinite(found).all()
    if kind in IN_GRAPH:
        per = 2 if kind == "shuffle" else 1  # the even channels, and the odd ones
        assert counts[0][IN_GRAPH[kind]] - counts[1][IN_GRAPH[kind]] == per * pair.copies
    else:
        assert counts[0]["Conv"] == counts[1]["Conv"]


def test_no_two_copies_share_weights() -> None:
    """Equal nodes on the same input would be merged, and one of ten timed."""
    larger = pair_of(EXAMPLES["conv"]).larger
    arrays = [onnx.numpy_helper.to_array(tensor) for tensor in larger.graph.initializer]
    kernels = [array.tobytes() for array in arrays if array.ndim == 4]
    assert len(kernels) == len(set(kernels)) == MANY


def test_the_difference_is_that_of_neighbours_in_time() -> None:
    drifting = np.array([1.0, 2.0, 3.0])
    assert per_copy(drifting + 0.8, drifting, MANY - FEW) == pytest.approx(0.1)
    assert per_copy(drifting, drifting + 1, 1) == 0


def test_processes_get_neighbours_apart_and_all_of_them_come_back_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [Path(str(number)) for number in range(36)]
    seen: list[list[int]] = []

    def timed(some: list[Path], **_: object) -> Timed:
        seen.append([int(path.name) for path in some])
        return Timed(np.array([[float(path.name)] * 3 for path in some]), {})

    monkeypatch.setattr("edge_bench.operators.table.time_graphs", timed)
    assert time_models(paths, LatencyConfig(), lambda done: None) == [float(number) for number in range(36)]
    assert [numbers[:3] for numbers in seen] == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]


def test_every_operator_of_any_architecture_is_reachable_and_none_besides() -> None:
    """Against a draw: after 400 architectures all that are reachable have been seen."""
    random = np.random.default_rng(0)
    for name in SPACES:
        space = replace(SPACES[name], sizes=SPACES[name].sizes[:1])
        known = set(reachable(space, DIM))
        seen = {operator for _ in range(400) for operator in operators(space.sample(random), DIM)}
        assert seen == known


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=5, deadline=None)
def test_the_sum_is_over_operators(seed: int) -> None:
    arch = SPACE.sample(np.random.default_rng(seed))
    known, naive = table(), 0.0
    for operator in operators(arch, DIM):
        naive += known.ratios[operator]
    assert known.ratio(arch, DIM) == pytest.approx(naive)


def test_fixed_costs_are_found_again() -> None:
    """Whole models that cost what a fit says, exactly: the fit is found, and errors are none."""
    truth = (0.02, 3e-6, 1e-3, 0.9)
    random = np.random.default_rng(0)
    archs = [SPACES["hetvs-s"].sample(random) for _ in range(40)]
    ratios = {op: (op.macs + 1) * 1e-8 for op in reachable(SPACES["hetvs-s"], DIM)}
    models = [(arch, float(np.dot(features(arch, DIM, ratios), truth))) for arch in archs]
    fit = fit_costs(models[:20], DIM, ratios)
    assert fit == pytest.approx(truth)
    fitted = LatencyTable(ratios=ratios, runtime={}, fit=fit)
    held_out = tuple(Comparison(arch, ratio, fitted.ratio(arch, DIM)) for arch, ratio in models[20:])
    assert replace(fitted, held_out=held_out).median_error == pytest.approx(0, abs=1e-9)


def test_the_error_is_a_median_of_shares() -> None:
    arch = SPACE.smallest()
    held_out = tuple(Comparison(arch, 2.0, predicted) for predicted in (2.0, 1.8, 3.0))
    assert replace(table(), held_out=held_out).median_error == pytest.approx(0.1)
    assert table().median_error is None


def test_a_table_survives_its_file(tmp_path: Path) -> None:
    written = replace(
        table(0.1),
        threads=2,
        host={"cpu": "x"},
        fit=(0.1, 0.0, 0.2, 1.0),
        held_out=(Comparison(SPACE.smallest(), 2.0, 1.9),),
    )
    written.save(tmp_path / "table.json")
    assert LatencyTable.load(tmp_path / "table.json") == written


def test_a_table_of_elsewhere_needs_operators_and_runtime_alone(tmp_path: Path) -> None:
    path = tmp_path / "phone.json"
    table().save(path)
    values = json.loads(path.read_text())
    path.write_text(json.dumps({name: values[name] for name in ("version", "runtime", "operators")}))
    assert LatencyTable.load(path).ratio(SPACE.smallest(), DIM) == pytest.approx(table().ratio(SPACE.smallest(), DIM))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "no latency table of version 1"),
        ('{"version": 2}', "no latency table of version 1"),
        ('{"version": 1, "runtime": {}, "operators": [{"kind": "conv"}]}', "missing or malformed"),
        ("{", "not readable as JSON"),
    ],
)
def test_a_spoilt_table_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "table.json"
    path.write_text(text)
    with pytest.raises(ArtifactError, match=said):
        LatencyTable.load(path)


def test_an_operator_that_was_not_measured_names_the_command() -> None:
    arch = replace(SPACE.smallest(), img_size=64)
    with pytest.raises(
        ArtifactError, match=r"lacks Operator\(.*hetvs latency-table --space hetvs-s --sizes 64 --dim 16"
    ):
        table().ratio(arch, DIM)


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match="rounds must be >= 5"):
        LatencyConfig(rounds=1)
    with pytest.raises(ConfigError, match="held_out must be >= 8"):
        LatencyConfig(held_out=1)


def test_the_command_keeps_operators_of_a_killed_go_and_reports_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Timing is replaced by a formula; the first go dies between operators and whole models."""
    timed: list[int] = []

    def by_macs(wanted: list[Operator], *_: object) -> tuple[dict[Operator, float], dict[str, str]]:
        timed.append(len(wanted))
        return {operator: (operator.macs + 1) * 1e-8 for operator in wanted}, {"runtime": "formula"}

    def whole(archs: list[Architecture], config: LatencyConfig) -> list[float]:
        if len(timed) == 1:
            raise ConfigError("killed")
        return [1.1 * table().ratio(arch, config.dim) + 0.01 for arch in archs]

    monkeypatch.setattr("edge_bench.operators.table.time_operators", by_macs)
    monkeypatch.setattr("hetvs.cli.latency_table._whole_models", whole)
    output = tmp_path / "table.json"

    def run(*more: str) -> Result:
        return CliRunner().invoke(main, ["latency-table", "-o", str(output), "--dim", str(DIM), "--sizes", "32", *more])

    assert run().exit_code == 1
    assert "is there already" in run().output
    assert "measured with 1 threads, not 2" in run("--resume", "--threads", "2").output
    timed.append(0)
    done = run("--resume", "--json")
    assert done.exit_code == 0, done.output
    assert timed == [len(reachable(SPACE, DIM)), 0]
    assert json.loads(done.stdout)["median_error"] == pytest.approx(0, abs=1e-6)
    assert LatencyTable.load(output).fit[-1] == pytest.approx(1.1, rel=1e-3)


@pytest.mark.slow
def test_measured_here_more_work_takes_longer_and_whole_models_have_a_time(tmp_path: Path) -> None:
    """In a real process: the order of magnitude alone, since the host is shared."""
    small, large = Operator("conv", 1, 1, 16, 16, 1, 8), Operator("conv", 1, 1, 128, 128, 1, 32)
    heard: list[int] = []
    found, runtime = time_operators([small, large], LatencyConfig(rounds=5), heard.append)
    assert 0 <= found[small] < found[large]
    assert heard == [2]
    assert runtime["runtime"] == "onnxruntime"
    path = tmp_path / "larger.onnx"
    path.write_bytes(pair_of(large).larger.SerializeToString())
    (ratio,) = time_models([path], LatencyConfig(rounds=5), heard.append)
    assert ratio > found[large]
