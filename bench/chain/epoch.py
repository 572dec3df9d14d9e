"""The epoch's benchmark: our fixed-point epoch against numpy's, the same subnets in the same run.

Subnets are drawn from a seed. Validators, who hold all stake (in unequal parts), weigh the miners that they think best:
all agree on a miner's quality up to a tenth or so, as validators do. Bonds are those that a first epoch left behind. Both
sides start from their own form of the subnet, sparse rows of integers or full matrices of float64, and end with what the
chain stores; numpy's matrices are made before its time starts. Before anything is timed the two must agree.
"""

import json
import pathlib
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass

import numpy as np
import yuma_numpy
from results import Row, number
from wasm_epoch import WasmEpoch

SEED = 7
KAPPA = 32_767 / yuma_numpy.U16
MOVING_AVERAGE = 0.9
BLOCK = 10_000
LAST_STEP = BLOCK - 360
EMISSION = 148_000_000_000

# Both sides' terms differ by rounding: ours are multiples of 2^-32, each rounded down, and sums have thousands of terms.
TERMS_TOLERANCE = 2e-6

# How long each side works at a time before it is the other's turn, and how long a case may take in all.
TURN_SECONDS = 0.02
CASE_SECONDS = 12.0
MIN_TURNS = 5
MAX_TURNS = 60


@dataclass(frozen=True)
class Case:
    """A subnet: so many neurons, of whom so many validate and weigh so many of the others each."""

    neurons: int
    validators: int
    targets: int
    yuma3: bool = True

    def __str__(self):
        version = "" if self.yuma3 else ", Yuma 1"
        miners = self.neurons - self.validators
        targets = f"all {miners}" if self.targets == miners else f"{self.targets} of {miners}"
        return f"{self.neurons} neurons, {self.validators} validators weigh {targets} miners{version}"

    @property
    def weights(self):
        return self.validators * self.targets


def full(neurons, validators, **changes):
    return Case(neurons, validators, neurons - validators, **changes)


# Bittensor's subnets have up to 256 neurons and 64 validators; the others show how it grows.
GROWTH = [full(64, 16), full(256, 64), full(1024, 64), full(4096, 64)]
SPARSITY = [Case(1024, 64, 48), Case(1024, 64, 240), full(1024, 256)]
OTHER = [full(256, 64, yuma3=False)]


def draw(case):
    """A subnet before its second epoch, in the form that the epoch's program reads; without bonds."""
    random = np.random.default_rng([SEED, case.neurons, case.validators, case.targets])
    miners = case.neurons - case.validators
    quality = random.lognormal(sigma=1.0, size=miners)
    weights = [[] for _ in range(case.neurons)]
    for uid in range(case.validators):
        scores = quality * random.lognormal(sigma=0.1, size=miners)
        best = np.sort(np.argsort(scores)[miners - case.targets :])
        values = np.maximum(1, np.rint(scores[best] / scores[best].max() * yuma_numpy.U16)).astype(int)
        weights[uid] = [[int(case.validators + miner), int(value)] for miner, value in zip(best, values, strict=True)]
    validates = np.arange(case.neurons) < case.validators
    stake = np.where(validates, random.lognormal(mean=30, sigma=1.0, size=case.neurons), 0).astype(int)
    return {
        "yuma3": case.yuma3,
        "liquid_alpha": False,
        "max_allowed_validators": case.validators,
        "activity_cutoff_blocks": 5_000,
        "current_block": BLOCK,
        "last_step_block": LAST_STEP,
        "emission": EMISSION,
        "stake": stake.tolist(),
        "last_update": np.where(validates, BLOCK - random.integers(1, 360, case.neurons), 0).tolist(),
        "block_at_registration": random.integers(1, BLOCK // 2, case.neurons).tolist(),
        "validator_permit": validates.tolist(),
        "weights": weights,
        "bonds": [[] for _ in range(case.neurons)],
    }


class Ours:
    """The epoch's program with a subnet loaded, waiting to be told what to do."""

    def __init__(self, program, subnet):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(subnet, file)
            file.flush()
            self.process = subprocess.Popen([program, file.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            # An answer says that the file has been read.
            self.terms = self.ask("terms")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        if self.process.wait() != 0:
            raise RuntimeError(f"{self.process.args[0]} failed with status {self.process.returncode}")

    def ask(self, question):
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.process.args[0]} ended without an answer to {question!r}")
        return json.loads(answer)

    def time(self, times):
        """Seconds that each of so many epochs took."""
        return [nanoseconds / 1e9 for nanoseconds in self.ask(f"time {times}")]


class Numpy:
    """The formulas with numpy, on the rows of these uids."""

    def __init__(self, subnet, rows):
        self.params = yuma_numpy.Params(
            yuma3=subnet["yuma3"],
            kappa=KAPPA,
            moving_average=MOVING_AVERAGE,
            max_validators=subnet["max_allowed_validators"],
            activity_cutoff=subnet["activity_cutoff_blocks"],
            block=BLOCK,
            last_step=LAST_STEP,
            emission=EMISSION,
        )
        self.matrices = yuma_numpy.Matrices(
            rows=rows,
            stake=np.array(subnet["stake"], dtype=float),
            last_update=np.array(subnet["last_update"]),
            registered=np.array(subnet["block_at_registration"]),
            permit=np.array(subnet["validator_permit"]),
            weights=full_matrix(subnet["weights"], rows),
            bonds=full_matrix(subnet["bonds"], rows),
        )

    def epoch(self):
        return yuma_numpy.epoch(self.matrices, self.params)

    def time(self, times):
        """Seconds that each of so many epochs took."""
        took = []
        for _ in range(times):
            start = time.perf_counter()
            self.epoch()
            took.append(time.perf_counter() - start)
        return took


def full_matrix(sparse, rows):
    matrix = np.zeros((len(rows), len(sparse)))
    for place, uid in enumerate(rows):
        for target, value in sparse[uid]:
            matrix[place, target] = value
    return matrix


def check_agreement(case, ours, numpy):
    """Stops the benchmark unless both sides computed the same: else their times mean nothing."""
    terms, theirs = ours.terms, numpy.epoch()
    apart = {}
    for name in ("consensus", "validator_trust", "incentive", "dividends"):
        apart[name] = np.abs(np.array(terms[name]) - theirs[name]).max()
    apart["bonds"] = np.abs(full_matrix(terms["bonds"], numpy.matrices.rows) - theirs["bonds"]).max()
    for name in ("server_emission", "validator_emission"):
        difference = np.array(terms[name], dtype=float) - theirs[name].astype(float)
        apart[name] = np.abs(difference).max() / EMISSION
    wrong = {name: difference for name, difference in apart.items() if not difference <= TERMS_TOLERANCE}
    if wrong:
        raise RuntimeError(f"{case}: numpy does not agree within {TERMS_TOLERANCE}: {wrong}")
    if not (theirs["incentive"].any() and theirs["dividends"].any()):
        raise RuntimeError(f"{case}: nobody earned anything, which is no epoch to measure")


@dataclass(frozen=True)
class Measured:
    """Median seconds of an epoch."""

    ours: float
    everybody: float
    """numpy's on all rows."""
    validators: float
    """numpy's on the validators' rows."""
    wasm: float | None
    """Ours in WebAssembly, where it was built."""


def measure(program, module, case):
    """Times all sides in turns."""
    subnet = draw(case)
    with Ours(program, subnet) as first:
        subnet["bonds"] = first.terms["stored_bonds"]
    everybody, validators = np.arange(case.neurons), np.arange(case.validators)
    with Ours(program, subnet) as ours:
        sides = [ours, Numpy(subnet, everybody), Numpy(subnet, validators)]
        for numpy in sides[1:]:
            check_agreement(case, ours, numpy)
        if module is not None:
            wasm = WasmEpoch(module, subnet)
            if wasm.terms != ours.terms:
                raise RuntimeError(f"{case}: the epoch in WebAssembly has other bits than the native one")
            sides.append(wasm)
        # The first epoch of each side warms it up, and says how many fill a turn.
        times = [max(1, round(TURN_SECONDS / side.time(3)[-1])) for side in sides]
        took = [[] for _ in sides]
        end = time.monotonic() + CASE_SECONDS
        for turn in range(MAX_TURNS):
            if turn >= MIN_TURNS and time.monotonic() > end:
                break
            for side, count, seconds in zip(sides, times, took, strict=True):
                seconds.extend(side.time(count))
    return Measured(*([statistics.median(seconds) for seconds in took] + [None])[:4])


def rows(program: pathlib.Path, module: pathlib.Path | None):
    """The benchmark's rows; those of WebAssembly where there is a module."""
    measured = {}
    for case in GROWTH + SPARSITY + OTHER:
        print(f"epoch of {case} ...", flush=True)
        measured[case] = measure(program, module, case)
    for case, took in measured.items():
        yield Row(f"epoch of {case}", took.ours * 1e3, "ms")
    for case, took in measured.items():
        yield Row(
            f"epoch of {case}: times as fast",
            took.everybody / took.ours,
            "times",
            against=f"numpy {np.__version__} on full matrices ({number(took.everybody * 1e3)} ms)",
            goal=">= 10",
        )
    for case, took in measured.items():
        yield Row(
            f"epoch of {case}: times as fast as without empty rows",
            took.validators / took.ours,
            "times",
            against=f"numpy {np.__version__} on validators' rows ({number(took.validators * 1e3)} ms)",
        )
    for case, took in measured.items():
        if took.wasm is not None:
            yield Row(
                f"epoch of {case}: time in WebAssembly",
                took.wasm / took.ours,
                "times",
                against=f"native ({number(took.ours * 1e3)} ms)",
            )
    nanoseconds = {case: took.ours / case.weights * 1e9 for case, took in measured.items()}
    for case in GROWTH:
        yield Row(f"epoch of {case}: for each weight", nanoseconds[case], "ns/weight")
    smallest, largest = GROWTH[0], GROWTH[-1]
    yield Row(
        f"epoch's time for each weight, {largest.weights} weights",
        nanoseconds[largest] / nanoseconds[smallest],
        "times",
        against=f"{smallest.weights} weights",
        goal="<= 2",
    )
