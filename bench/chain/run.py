"""The chain's benchmarks: writes docs/results/chain.json and its plot. `make bench-chain` builds what it needs.

    python bench/chain/run.py --epoch PROGRAM [--wasm MODULE] [--node PROGRAM] --command COMMAND --out docs/results/chain.json
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys

# OpenBLAS reads these when numpy loads it. A kernel that was chosen for another machine would slow numpy, and flatter us.
for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(variable, None)

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import epoch  # noqa: E402
import results  # noqa: E402

# What the node's program measures, each in a process of its own, so that none inherits another's memory.
NODE_SUBJECTS = ("start", "register", "set-weights", "memory", "memory-on-disk", "disk")
NODE_TIMEOUT_SECONDS = 1800


def node_rows(program):
    """Rows that the node's program prints, one JSON object a line."""
    for subject in NODE_SUBJECTS:
        print(f"node: {subject} ...", flush=True)
        finished = subprocess.run(
            [program, subject], stdout=subprocess.PIPE, text=True, check=True, timeout=NODE_TIMEOUT_SECONDS
        )
        lines = finished.stdout.splitlines()
        if not lines:
            raise RuntimeError(f"{program} {subject} printed no row")
        for line in lines:
            yield results.Row(**json.loads(line))


def main():
    parser = argparse.ArgumentParser(description="Measures the chain.")
    parser.add_argument("--epoch", type=pathlib.Path, required=True, help="yuma's example bench_epoch, optimised")
    parser.add_argument("--wasm", type=pathlib.Path, help="the same in WebAssembly; without it, that is not measured")
    parser.add_argument("--node", type=pathlib.Path, help="localnet's example bench_node; without it, no node is measured")
    parser.add_argument("--command", required=True, help="what to run to get these results again")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="the results file, .json")
    arguments = parser.parse_args()
    rows = list(epoch.rows(arguments.epoch, arguments.wasm))
    if arguments.node is not None:
        rows.extend(node_rows(arguments.node))
    results.write(arguments.out, arguments.command, rows)
    print(results.show(results.read(arguments.out)))


if __name__ == "__main__":
    main()
