"""The engine's model, loss and optimizer in JAX, one compiled function a step. Driven as `subject.py` says:

    python bench/engine/jax_model.py SUBJECT.json WEIGHTS.safetensors [reversed]
"""

import functools
import math

import jax
import jax.numpy as jnp
from subject import EPSILON, decay, rate_factor, rotary, serve


def norm(x, gain):
    return x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + EPSILON) * gain


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

    table = [jnp.asarray(values) for values in rotary(context, width, model["rope_base"])]
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


def adam_w(optimizer, parameters, moments, gradients, rate, count):
    """Global clipping and AdamW with decoupled decay of matrices; embeddings and head at rates of their own."""
    length = jnp.sqrt(sum(jnp.sum(g * g) for g in gradients.values()))
    clip = jnp.minimum(1.0, optimizer["clip_norm"] / length)
    beta1, beta2 = optimizer["beta1"], optimizer["beta2"]
    next_parameters, next_moments = {}, {}
    for name, weights in parameters.items():
        gradient, (first, second) = gradients[name] * clip, moments[name]
        factor = rate_factor(optimizer, name)
        first = beta1 * first + (1 - beta1) * gradient
        second = beta2 * second + (1 - beta2) * gradient * gradient
        step = first / (1 - beta1**count) / (jnp.sqrt(second / (1 - beta2**count)) + optimizer["epsilon"])
        keep = 1 - rate * factor * decay(optimizer, name, weights)
        next_parameters[name] = keep * weights - rate * factor * step
        next_moments[name] = (first, second)
    return next_parameters, next_moments


class Jax:
    def __init__(self, subject, parameters, _):
        model, optimizer = subject["model"], subject["optimizer"]
        self.parameters = {name: jnp.asarray(values) for name, values in parameters.items()}
        self.moments = {name: (jnp.zeros_like(values), jnp.zeros_like(values)) for name, values in self.parameters.items()}

        @functools.partial(jax.jit, donate_argnums=(0, 1))
        def step(parameters, moments, ids, rate, count):
            value, gradients = jax.value_and_grad(functools.partial(loss, model))(parameters, ids)
            return value, *adam_w(optimizer, parameters, moments, gradients, rate, count)

        self.step = step

    def train(self, ids, rate, count):
        value, self.parameters, self.moments = self.step(self.parameters, self.moments, ids, rate, float(count))
        value = float(value)
        jax.block_until_ready(self.parameters)
        return value


if __name__ == "__main__":
    serve(Jax)
