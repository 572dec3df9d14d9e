"""Stages on a graphics card, beside PyTorch on the same card: writes docs/results/card.json and its plot. `make bench-card`
builds what it needs.

    python bench/engine/card.py --program PROGRAM --torch PYTHON --device cuda|metal --command "make bench-card" --out FILE.json

A window is what a miner computes between two merges: microbatches there and back, and then the sum of their gradients taken
to the processor. What is compared takes turns, a window each, in processes of their own; the least of the turns counts.
"""

import argparse
import contextlib
import pathlib
import subprocess
import tempfile

from run import MODEL, TORCH_FORMS, Bench, results

WARM_UP_WINDOWS = 1
TURNS = 5
# Of the exact engine on the processor, a microbatch each.
EXACT_TURNS = 3
# Of 6.5 and 102 million parameters; with sequences of a microbatch, and microbatches of a window.
MODELS = {
    "width 256, context 256, 2,048 tokens": (MODEL, 8, 16),
    "width 1,024, context 1,024, 8,192 tokens": (
        {**MODEL, "d_model": 1024, "heads": 16, "ffn": 2752, "context": 1024},
        8,
        4,
    ),
}


def same(ours, others, who):
    """Else other things would be compared."""
    for mine, other in zip(ours["losses"], others["losses"], strict=True):
        if abs(mine - other) > 1e-5 * other:
            raise RuntimeError(f"a loss is {mine}, and {other} by {who}")


class Card(Bench):
    """What a card makes of a window."""

    def window(self, name, model, batch, count, device):
        """Windows of one model by everybody who can compute it."""
        print(f"{name} ...", flush=True)
        cores = len(self.cores)
        subject = self.subject("card", model, batch, device=device)
        exact = self.subject("exact", model, batch, threads=cores)
        weights = self.folder / "card.safetensors"
        with contextlib.ExitStack() as stack:
            ours = stack.enter_context(self.engine(subject, "card", cores))
            ours.ask(f"export {weights}")
            first = ours.ask("window 1")["losses"]
            workers = {"ours": ours}
            workers |= self.torch_forms(stack, subject, weights, cores, "window 1")
            workers["floor"] = stack.enter_context(self.pytorch(subject, weights, "floor", cores))
            times = {name: [] for name in workers}
            for turn in range(WARM_UP_WINDOWS + TURNS):
                answers = {who: worker.ask(f"window {count}") for who, worker in workers.items()}
                for who, answer in answers.items():
                    if who != "floor":
                        same(answers["ours"], answer, who)
                    if turn >= WARM_UP_WINDOWS:
                        times[who] += answer["times"]["wall"]
                print(f"turn {turn}: {({who: answer['times']['wall'][0] for who, answer in answers.items()})} s", flush=True)
        least = {who: min(values) / count for who, values in times.items()}
        with self.engine(exact, "card", cores) as engine:
            answers = [engine.ask("window 1") for _ in range(1 + EXACT_TURNS)]
            same({"losses": first}, answers[0], "the exact engine")
            least["exact"] = min(answer["times"]["wall"][0] for answer in answers[1:])
        labels = {
            "ours": f"ours, Candle on {device}",
            **TORCH_FORMS,
            "floor": "the linear layers' products alone, PyTorch",
            "exact": f"ours, the exact engine on {cores} cores",
        }
        for who, value in least.items():
            yield results.Row(f"{labels[who]}: microbatch, {name}", 1000 * value, "ms")
        faster = min((form for form in TORCH_FORMS if form in least), key=least.get)
        yield results.Row(
            f"ours: speed on a card beside PyTorch, {name}",
            least[faster] / least["ours"],
            "times as fast",
            f"{labels[faster]}, on the same card",
        )
        yield results.Row(
            f"ours: share of a card's time that the products need, {name}",
            100 * least["floor"] / least["ours"],
            "%",
            "PyTorch's products of the linear layers' shapes",
        )
        yield results.Row(
            f"ours: a card beside {cores} cores, {name}",
            least["exact"] / least["ours"],
            "times as fast",
            f"the exact engine on {cores} cores",
        )


def card(torch, device):
    """What PyTorch calls the card."""
    code = "import torch; print(torch.cuda.get_device_name())"
    return subprocess.run([torch, "-c", code], capture_output=True, text=True, check=True).stdout.strip() if device == "cuda" else device


def main():
    parser = argparse.ArgumentParser(description="Measures stages on a graphics card.")
    parser.add_argument("--program", type=pathlib.Path, required=True, help="engine's example bench_engine, with a card's code")
    parser.add_argument("--torch", type=pathlib.Path, required=True, help="a Python that has PyTorch for the card")
    parser.add_argument("--device", choices=["cuda", "metal"], default="cuda", help="the card's kind")
    parser.add_argument("--command", required=True, help="what to run to get these results again")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="the results file, .json")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Card({"card": arguments.program}, arguments.torch, pathlib.Path(folder))
        rows = [row for name, subject in MODELS.items() for row in bench.window(name, *subject, arguments.device)]
    results.write(arguments.out, arguments.command, rows, beside=card(arguments.torch, arguments.device))
    print(results.show(results.read(arguments.out)))


if __name__ == "__main__":
    main()
