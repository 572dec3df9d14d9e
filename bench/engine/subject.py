"""What `bench_engine`'s rivals share: the data of a step, its learning rate, the weights, and how they are driven.

A rival is started as `bench_engine` is, with the same subject, and answers `train N` on standard input:

    python RIVAL.py SUBJECT.json WEIGHTS.safetensors [option]

It says how it is made as a `Rival`; what is timed is the same for all. One that has `window` answers `window N` too.
"""

import json
import math
import pathlib
import sys
import time
from typing import Protocol

import numpy
from safetensors.numpy import load_file

EPSILON = 1e-5


class Rival(Protocol):
    """A model at work."""

    def train(self, ids: numpy.ndarray, rate: float, count: int) -> float:
        """One step, all of it: nats per token before it. ids: [batch, context + 1]; `count` is 1 in the first step."""

    def window(self, batches: list[numpy.ndarray]) -> list[float]:
        """Microbatches there and back, and then the sum of their gradients on the processor: nats per token of each."""


class Times:
    """Seconds on the wall, and of processor time."""

    def __init__(self):
        self.wall, self.cpu = [], []

    def measure(self, work, *arguments):
        started = time.perf_counter(), time.process_time()
        result = work(*arguments)
        self.wall.append(time.perf_counter() - started[0])
        self.cpu.append(time.process_time() - started[1])
        return result


def fused(tensors):
    """The engine multiplies by queries, keys and values at once, and by gate and up; so do its rivals."""
    parameters = dict(tensors)
    for whole, parts in {"qkv_proj": ("q_proj", "k_proj", "v_proj"), "gate_up_proj": ("gate_proj", "up_proj")}.items():
        for name in [name for name in tensors if name.endswith(f".{parts[0]}.weight")]:
            prefix = name.removesuffix(f"{parts[0]}.weight")
            pieces = [parameters.pop(f"{prefix}{part}.weight") for part in parts]
            parameters[f"{prefix}{whole}.weight"] = numpy.concatenate(pieces)
    return parameters


def rotary(context, width, base):
    """Cosines and sines of all positions. They are computed in f64, as the engine's are."""
    angles = numpy.arange(context)[:, None] / base ** (numpy.arange(width // 2) / (width // 2))
    return numpy.cos(angles).astype(numpy.float32), numpy.sin(angles).astype(numpy.float32)


def rate_factor(optimizer, name):
    """Embeddings and head have learning rates of their own."""
    if name == "lm_head.weight":
        return optimizer["head_rate"]
    return optimizer["embedding_rate"] if "embed_tokens" in name else 1.0


def decay(optimizer, name, weights):
    """Matrices decay; embeddings and gains do not."""
    return optimizer["weight_decay"] if weights.ndim == 2 and "embed_tokens" not in name else 0.0


def learning_rate(optimizer, step):
    warmup, peak = optimizer["warmup_steps"], optimizer["peak_learning_rate"]
    if step <= warmup:
        return peak * step / warmup
    cosine = optimizer["schedule"]["cosine"]
    done = min((step - warmup) / max(cosine["total_steps"] - warmup, 1), 1.0)
    final = cosine["final_factor"]
    return peak * (final + (1 - final) * (0.5 + 0.5 * math.cos(math.pi * done)))


def tokens(subject, corpus, step):
    """The sequences that `bench_engine` reads in this step."""
    batch, context = subject["batch"], subject["model"]["context"]
    places = len(corpus) - context - 1
    starts = [(step * batch + i) * 2_654_435_761 % places for i in range(batch)]
    return numpy.stack([corpus[start : start + context + 1] for start in starts]).astype(numpy.int32)


def serve(make, options=()):
    """Answers orders. `make(subject, parameters, option)` gives the rival; option is `None` or one of `options`.

    `reversed` is an option of every rival: it turns round the order of a step's sequences, the same mathematics with other
    roundings, which says what f32 leaves undetermined.
    """
    subject = json.loads(pathlib.Path(sys.argv[1]).read_text())
    option = sys.argv[3] if sys.argv[3:] else None
    if option not in (None, "reversed", *options):
        raise ValueError(f"unknown option {option}")
    corpus = numpy.frombuffer(pathlib.Path(subject["corpus"]).read_bytes(), numpy.uint8)
    rival: Rival = make(subject, fused(load_file(sys.argv[2])), option)
    order = -1 if option == "reversed" else 1
    step = 0
    for line in sys.stdin:
        verb, count = line.split()
        steps = range(step, step + int(count))
        batches = [numpy.ascontiguousarray(tokens(subject, corpus, step)[::order]) for step in steps]
        times = Times()
        if verb == "train":
            rates = [learning_rate(subject["optimizer"], step + 1) for step in steps]
            losses = [times.measure(rival.train, *one) for one in zip(batches, rates, [step + 1 for step in steps], strict=True)]
        elif verb == "window":
            losses = times.measure(rival.window, batches)
        else:
            raise ValueError(f"unknown command {verb}")
        step = steps.stop
        print(json.dumps({"losses": losses, "times": {"wall": times.wall, "cpu": times.cpu}}), flush=True)
