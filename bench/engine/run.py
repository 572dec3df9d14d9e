"""The engine's benchmarks: writes docs/results/engine.json and its plot. `make bench-engine` builds what it needs.

    python bench/engine/run.py --portable PROGRAM --any-order PROGRAM [--native PROGRAM] [--torch PYTHON] --command "make bench-engine" --out FILE.json

What is compared takes turns, a step each, in processes of their own on the same cores. Machines are shared, so the least
of many turns counts: processor time on one core, time on the wall on two.
"""

import argparse
import contextlib
import copy
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))

import results  # noqa: E402

WARM_UP_STEPS = 2
TURNS = 40
LOSS_STEPS = 200
# Engines side by side, each with one thread.
ENGINES = (1, 2, 4)
ENGINE_TURNS = 8

ADAM_W = {
    "peak_learning_rate": 0.001,
    "warmup_steps": 10,
    "schedule": {"cosine": {"total_steps": LOSS_STEPS, "final_factor": 0.1}},
    "beta1": 0.9,
    "beta2": 0.95,
    "epsilon": 1e-8,
    "weight_decay": 0.1,
    "clip_norm": 1.0,
    "embedding_rate": 1.0,
    "head_rate": 1.0,
}
MODEL = {
    "vocab": 256,
    "d_model": 256,
    "heads": 8,
    "ffn": 688,
    "context": 256,
    "layers_per_stage": [8],
    "bottleneck": "none",
    "rope_base": 10_000,
}
# How PyTorch computes: as it is asked to, call by call, or compiled before.
TORCH_FORMS = {"eager": "PyTorch, eager", "compiled": "PyTorch, torch.compile"}
SMALL = {**MODEL, "d_model": 64, "heads": 4, "kv_heads": 2, "ffn": 192, "context": 128, "layers_per_stage": [4]}


class Worker:
    """A process that computes when told to, and answers each line with one."""

    def __init__(self, command, cores, variables=None):
        self.command = command
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | (variables or {}),
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )

    def tell(self, line):
        print(line, file=self.process.stdin, flush=True)

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.command} ended with {self.process.wait()}")
        return json.loads(line)

    def ask(self, line):
        self.tell(line)
        return self.answer()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(timeout=60)


def text(folder):
    """A corpus: this repository's own Rust source, the same for everybody who has the same commit."""
    files = sorted(path for crate in ("engine", "neuron", "validator") for path in (ROOT / crate / "src").rglob("*.rs"))
    path = folder / "corpus.txt"
    path.write_bytes(b"".join(file.read_bytes() for file in files))
    return path


class Bench:
    def __init__(self, builds, torch, folder):
        self.builds = builds
        self.goals = [build for build in self.builds if build != "any order"]
        self.torch, self.folder = torch, folder
        self.corpus = text(folder)
        self.cores = sorted(os.sched_getaffinity(0))

    def subject(self, name, model, batch, threads=1, instructions=None, device=None):
        path = self.folder / f"{name}.json"
        document = {"model": model, "optimizer": ADAM_W, "corpus": str(self.corpus), "batch": batch}
        path.write_text(json.dumps(document | {"threads": threads, "instructions": instructions, "device": device}))
        return path

    def engine(self, subject, build="portable", cores=1):
        return Worker([self.builds[build], subject], self.cores[:cores])

    def jax(self, subject, weights, *arguments, cores=1):
        return Worker([sys.executable, HERE / "jax_model.py", subject, weights, *arguments], self.cores[:cores])

    def pytorch(self, subject, weights, form="eager", cores=1):
        command = [self.torch, HERE / "torch_model.py", subject, weights, *([form] if form != "eager" else [])]
        # What it compiles goes when the rest does, and is compiled in its own process: others would outlive the compiling.
        cache = {"TORCHINDUCTOR_CACHE_DIR": str(self.folder / "inductor"), "TORCHINDUCTOR_COMPILE_THREADS": "1"}
        return Worker(command, self.cores[:cores], cache)

    def torch_forms(self, stack, subject, weights, cores, warm_up="train 1"):
        """PyTorch's workers, where there is PyTorch; compiled, where it has a compiler that works."""
        for form in TORCH_FORMS if self.torch else ():
            worker = stack.enter_context(self.pytorch(subject, weights, form, cores))
            try:
                worker.ask(warm_up)
            except RuntimeError as error:
                if form == "eager":
                    raise
                print(f"PyTorch is measured eager only: {error}", flush=True)
            else:
                yield form, worker

    def speed(self, cores):
        """Steps of the same model on the same data: ours, JAX's, PyTorch's, and the products alone."""
        clock, word = ("cpu", "one core") if cores == 1 else ("wall", f"{cores} cores")
        print(f"speed on {word} ...", flush=True)
        subject = self.subject(f"speed-{cores}", MODEL, 8, threads=cores)
        weights = self.folder / "speed.safetensors"
        with contextlib.ExitStack() as stack:
            workers = {name: stack.enter_context(self.engine(subject, name, cores)) for name in self.builds}
            workers["portable"].ask(f"export {weights}")
            asked = {name: "train" for name in workers}
            if cores == 1:
                with_avx2 = self.subject("speed-avx2", MODEL, 8, instructions="AVX2")
                workers["AVX2"] = stack.enter_context(self.engine(with_avx2))
                asked["AVX2"] = "train"
            workers["jax"] = stack.enter_context(self.jax(subject, weights, cores=cores))
            asked["jax"] = "train"
            for form, worker in self.torch_forms(stack, subject, weights, cores):
                workers[form], asked[form] = worker, "train"
            workers["floor"] = stack.enter_context(self.engine(subject, cores=cores))
            asked["floor"] = "floor"
            times = {name: [] for name in workers}
            for turn in range(WARM_UP_STEPS + TURNS):
                for name, worker in workers.items():
                    answer = worker.ask(f"{asked[name]} 1")
                    if turn >= WARM_UP_STEPS:
                        times[name] += (answer.get("times") or answer)[clock]
        least = {name: min(values) for name, values in times.items()}
        unit = "ms of processor time" if cores == 1 else "ms"
        labels = {
            "portable": "ours, portable build",
            "any order": "ours, portable build, products in any order",
            "native": "ours, built for this machine",
            "AVX2": "ours, portable build held to AVX2",
            "jax": "JAX, jit",
            **TORCH_FORMS,
            "floor": "the linear layers' products alone, crate gemm",
        }
        for name, value in least.items():
            yield results.Row(f"{labels[name]}: step of 6.5 M parameters on 2,048 tokens, {word}", 1000 * value, unit)
        yield results.Row(
            f"what exactness costs, {word}",
            100 * (least["portable"] / least["any order"] - 1),
            "% of a step",
            "the same step with all products by crate gemm, which sums in any order",
            "<= 5",
        )
        for name in self.goals:
            yield results.Row(
                f"{labels[name]}: speed, {word}", least["jax"] / least[name], "times as fast", f"JAX on {word}", ">= 2"
            )
            yield results.Row(
                f"{labels[name]}: share of a step that its products need, {word}",
                100 * least["floor"] / least[name],
                "%",
                f"crate gemm on the linear layers' shapes, {word}",
                ">= 75",
            )
        forms = [form for form in TORCH_FORMS if form in least]
        if forms:
            faster = min(forms, key=least.get)
            for name in self.goals:
                yield results.Row(
                    f"{labels[name]}: speed beside PyTorch, {word}",
                    least[faster] / least[name],
                    "times as fast",
                    f"{labels[faster]}, on {word}",
                )

    def losses(self):
        """The same model from the same weights on the same tokens, and how far JAX is from itself."""
        print("losses ...", flush=True)
        subject, weights = self.subject("loss", SMALL, 8), self.folder / "loss.safetensors"
        with self.engine(subject) as engine:
            engine.ask(f"export {weights}")
            ours = engine.ask(f"train {LOSS_STEPS}")["losses"]
        with self.jax(subject, weights) as jax:
            theirs = jax.ask(f"train {LOSS_STEPS}")["losses"]
        with self.jax(subject, weights, "reversed") as jax:
            again = jax.ask(f"train {LOSS_STEPS}")["losses"]
        apart = lambda a, b, steps: max(abs(x - y) / y for x, y in zip(a[:steps], b[:steps], strict=True))
        noise = apart(again, theirs, LOSS_STEPS)
        yield results.Row("JAX: last loss", theirs[-1], "nats per byte")
        yield results.Row("ours: last loss", ours[-1], "nats per byte")
        yield results.Row(
            f"JAX: largest difference of a loss in {LOSS_STEPS} steps", noise, "of the loss", "itself, a step's sequences reversed"
        )
        yield results.Row(
            "ours: largest difference of a loss in 10 steps", apart(ours, theirs, 10), "of the loss", "JAX", "< 1e-5"
        )
        yield results.Row(
            f"ours: largest difference of a loss in {LOSS_STEPS} steps",
            apart(ours, theirs, LOSS_STEPS) / noise,
            "times JAX's from itself",
            "JAX",
            "< 5",
        )
        if self.torch:
            with self.pytorch(subject, weights) as pytorch:
                others = pytorch.ask(f"train {LOSS_STEPS}")["losses"]
            yield results.Row(
                f"PyTorch: largest difference of a loss in {LOSS_STEPS} steps",
                apart(others, theirs, LOSS_STEPS) / noise,
                "times JAX's from itself",
                "JAX",
            )

    def memory(self):
        print("memory ...", flush=True)
        with self.engine(self.subject("memory", MODEL, 8)) as engine:
            found = engine.ask("memory 3")
        yield results.Row("memory of a microbatch in flight, 2,048 tokens", found["found_bytes"] / 2**20, "MiB")
        yield results.Row(
            "memory of a microbatch in flight",
            found["found_bytes"] / found["counted_bytes"],
            "times what is kept",
            "the sum of what the way back reads",
            "< 1.1",
        )

    def growth(self):
        """How fast models of other shapes are trained, one core: processor time counts."""
        shapes = {f"{layers} layers": {"layers_per_stage": [layers]} for layers in (2, 4, 16)}
        shapes |= {f"width {d}": {"d_model": d, "heads": d // 32, "ffn": d * 43 // 16} for d in (64, 128, 512)}
        shapes |= {f"context {context}": {"context": context} for context in (64, 128, 1024)}
        for name, change in {"8 layers, width 256, context 256": {}, **shapes}.items():
            print(f"growth: {name} ...", flush=True)
            model = copy.deepcopy(MODEL) | change
            batch = 2048 // model["context"]
            with self.engine(self.subject("growth", model, batch)) as engine:
                engine.ask("train 1")
                least = min(engine.ask("train 4")["times"]["cpu"])
            d, ffn, context = model["d_model"], model["ffn"], model["context"]
            # Multiplications and additions apart, forward and twice that back; attention sees half its context.
            macs = model["layers_per_stage"][0] * (4 * d * d + 3 * d * ffn + d * context) + d * model["vocab"]
            yield results.Row(f"training, {name}, 2,048 tokens a step, one core", 6 * macs * 2048 / least / 1e9, "GFLOP/s")

    def engines(self):
        """Engines of one thread at work at once: all in one process, as neurons of a localnet are, and a process each."""
        subject = self.subject("engines", MODEL, 8)
        for count in ENGINES:
            print(f"{count} engines ...", flush=True)
            paces = {"one": [], "each": []}
            with contextlib.ExitStack() as stack:
                workers = [stack.enter_context(self.engine(subject, cores=len(self.cores))) for _ in range(count)]
                for _ in range(ENGINE_TURNS):
                    for worker in workers:
                        worker.tell("engines 1")
                    paces["each"].append(pace([answer for worker in workers for answer in worker.answer()]))
                    paces["one"].append(pace(workers[0].ask(f"engines {count}")))
            # The best turn of each: what disturbs a machine makes it slower only.
            best = {name: max(values) for name, values in paces.items()}
            engines = "1 engine" if count == 1 else f"{count} engines"
            yield results.Row(f"{engines} of one thread in one process, mean of four steps", best["one"], "tokens/s")
            if count > 1:
                yield results.Row(
                    f"{engines} of one thread: pace in one process",
                    best["one"] / best["each"],
                    "times as fast",
                    "as many processes",
                    ">= 0.95",
                )


def pace(engines):
    """Tokens a second of engines that began together. The first step also waits for memory; the slowest engine counts."""
    slowest = max(sum(engine["wall"][1:]) / len(engine["wall"][1:]) for engine in engines)
    return len(engines) * 2048 / slowest


def main():
    parser = argparse.ArgumentParser(description="Measures the engine.")
    parser.add_argument("--portable", type=pathlib.Path, required=True, help="engine's example bench_engine, optimised")
    parser.add_argument("--any-order", type=pathlib.Path, required=True, help="the same with the feature any-order")
    parser.add_argument("--native", type=pathlib.Path, help="the same, built for this machine's processor")
    parser.add_argument("--torch", type=pathlib.Path, help="a Python that has PyTorch, to measure that too")
    parser.add_argument("--command", required=True, help="what to run to get these results again")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="the results file, .json")
    arguments = parser.parse_args()
    builds = {"portable": arguments.portable, "any order": arguments.any_order}
    builds |= {"native": arguments.native} if arguments.native else {}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(builds, arguments.torch, pathlib.Path(folder))
        rows = [*bench.losses(), *bench.memory(), *bench.speed(1)]
        if len(bench.cores) > 1:
            rows += bench.speed(2)
        rows += [*bench.engines(), *bench.growth()]
    results.write(arguments.out, arguments.command, rows)
    print(results.show(results.read(arguments.out)))


if __name__ == "__main__":
    main()
