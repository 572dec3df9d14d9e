"""The engine's model, loss and optimizer in JAX, one compiled function a step. Driven as `bench_engine` is:

    python bench/engine/jax_model.py SUBJECT.json WEIGHTS.safetensors [reversed]

then `train N` on standard input. `reversed` turns round the order of a step's sequences: the same mathematics with other
roundings, which says what f32 leaves undetermined.
"""

import functools
import json
import math
import pathlib
import sys
import time

import jax
import jax.numpy as jnp
import numpy
from safetensors.numpy import load_file

EPSILON = 1e-5


def norm(x, gain):
    return x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + EPSILON) * gain


def rotary(context, width, base):
    angles = numpy.arange(context)[:, None] / base ** (numpy.arange(width // 2) / (width // 2))
    return jnp.asarray(numpy.cos(angles), jnp.float32), jnp.asarray(numpy.sin(angles), jnp.float32)


def turn(x, cosines, sines):
    """x: [batch, head, position, width]."""
    a, b = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([a * cosines - b * sines, b * cosines + a * sines], axis=-1)


def attention(model, qkv):
    batch, context, _ = qkv.shape
    heads, kv_heads = model["heads"], model.get("kv_heads") or model["heads"]
    width = model["d_model"] // heads

    def part(first, count):
        x = qkv[..., first * width : (first + count) * width]
        return x.reshape(batch, context, count, width).transpose(0, 2, 1, 3)

    table = rotary(context, width, model["rope_base"])
    queries = turn(part(0, heads), *table) * (1 / math.sqrt(width))
    keys, values = turn(part(heads, kv_heads), *table), part(heads + kv_heads, kv_heads)
    keys, values = (jnp.repeat(x, heads // kv_heads, axis=1) for x in (keys, values))
    scores = queries @ keys.swapaxes(2, 3)
    seen = jnp.tril(jnp.ones((context, context), bool))
    shares = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf), axis=-1)
    return (shares @ values).transpose(0, 2, 1, 3).reshape(batch, context, heads * width)


def loss(model, parameters, ids):
    """Nats per token. ids: [batch, context + 1]."""
    x = parameters["model.embed_tokens.weight"][ids[:, :-1]]
    for layer in range(sum(model["layers_per_stage"])):
        of = lambda name: parameters[f"model.layers.{layer}.{name}.weight"]
        qkv = norm(x, of("input_layernorm")) @ of("self_attn.qkv_proj").T
        x = x + attention(model, qkv) @ of("self_attn.o_proj").T
        gate_up = norm(x, of("post_attention_layernorm")) @ of("mlp.gate_up_proj").T
        gate, up = jnp.split(gate_up, 2, axis=-1)
        x = x + (jax.nn.silu(gate) * up) @ of("mlp.down_proj").T
    logits = norm(x, parameters["model.norm.weight"]) @ parameters["lm_head.weight"].T
    target = jnp.take_along_axis(logits, ids[:, 1:, None], axis=-1)[..., 0]
    return jnp.mean(jax.nn.logsumexp(logits, axis=-1) - target)


def fused(tensors):
    """The engine multiplies by queries, keys and values at once, and by gate and up; so does this model."""
    parameters = dict(tensors)
    for whole, parts in {"qkv_proj": ("q_proj", "k_proj", "v_proj"), "gate_up_proj": ("gate_proj", "up_proj")}.items():
        for name in [name for name in tensors if name.endswith(f".{parts[0]}.weight")]:
            prefix = name.removesuffix(f"{parts[0]}.weight")
            pieces = [parameters.pop(f"{prefix}{part}.weight") for part in parts]
            parameters[f"{prefix}{whole}.weight"] = numpy.concatenate(pieces)
    return {name: jnp.asarray(values) for name, values in parameters.items()}


def adam_w(optimizer, parameters, moments, gradients, rate, count):
    """Global clipping and AdamW with decoupled decay of matrices; embeddings and head at rates of their own."""
    length = jnp.sqrt(sum(jnp.sum(g * g) for g in gradients.values()))
    clip = jnp.minimum(1.0, optimizer["clip_norm"] / length)
    beta1, beta2 = optimizer["beta1"], optimizer["beta2"]
    next_parameters, next_moments = {}, {}
    for name, weights in parameters.items():
        gradient, (first, second) = gradients[name] * clip, moments[name]
        factor = optimizer["embedding_rate"] if "embed_tokens" in name else 1.0
        factor = optimizer["head_rate"] if name == "lm_head.weight" else factor
        decays = weights.ndim == 2 and "embed_tokens" not in name
        first = beta1 * first + (1 - beta1) * gradient
        second = beta2 * second + (1 - beta2) * gradient * gradient
        step = first / (1 - beta1**count) / (jnp.sqrt(second / (1 - beta2**count)) + optimizer["epsilon"])
        keep = 1 - rate * factor * (optimizer["weight_decay"] if decays else 0.0)
        next_parameters[name] = keep * weights - rate * factor * step
        next_moments[name] = (first, second)
    return next_parameters, next_moments


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


def main():
    subject = json.loads(pathlib.Path(sys.argv[1]).read_text())
    model, optimizer = subject["model"], subject["optimizer"]
    corpus = numpy.frombuffer(pathlib.Path(subject["corpus"]).read_bytes(), numpy.uint8)
    parameters = fused(load_file(sys.argv[2]))
    moments = {name: (jnp.zeros_like(values), jnp.zeros_like(values)) for name, values in parameters.items()}
    order = -1 if sys.argv[3:] == ["reversed"] else 1

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def train(parameters, moments, ids, rate, count):
        value, gradients = jax.value_and_grad(functools.partial(loss, model))(parameters, ids)
        return value, *adam_w(optimizer, parameters, moments, gradients, rate, count)

    step = 0
    for line in sys.stdin:
        verb, count = line.split()
        if verb != "train":
            raise ValueError(f"unknown command {verb}")
        losses, wall, cpu = [], [], []
        for _ in range(int(count)):
            ids = tokens(subject, corpus, step)[::order]
            rate = learning_rate(optimizer, step + 1)
            started = time.perf_counter(), time.process_time()
            value, parameters, moments = train(parameters, moments, ids, rate, float(step + 1))
            losses.append(float(value))
            jax.block_until_ready(parameters)
            wall.append(time.perf_counter() - started[0])
            cpu.append(time.process_time() - started[1])
            step += 1
        print(json.dumps({"losses": losses, "times": {"wall": wall, "cpu": cpu}}), flush=True)


if __name__ == "__main__":
    main()
