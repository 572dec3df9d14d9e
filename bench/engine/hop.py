"""One stage's pass there and back in JAX or PyTorch, of their own functions, for whoever asks how far that is from the
engine's bits:

    python bench/engine/hop.py jax|torch [cuda|metal] [tf32]

JAX computes on the device that it finds, PyTorch on the processor or the one named, both with products of whole f32s or, where
`tf32` is asked for, of 10 bits of mantissa as cards are made for.

Says its name. Then, for each line of input, a path: a file in safetensors with the stage's weights, the tokens and what came
in, and the model in its metadata. What the stage hands out is written beside it, at the path with `.out`, and said.
"""

import functools
import json
import sys

import numpy
import safetensors
from safetensors.numpy import save_file
from subject import EPSILON, rotary


class Jax:
    def __init__(self, options):
        import jax
        import jax_model

        self.jax = jax
        # Left to itself it takes products of 10 bits on cards.
        jax.config.update("jax_default_matmul_precision", "tensorfloat32" if "tf32" in options else "highest")
        self.name = f"JAX {jax.__version__}, {jax.default_backend()}{', TF32' if 'tf32' in options else ''}"
        self.norm, self.silu, self.attention = jax_model.norm, jax.nn.silu, jax_model.attention

    def widen(self, z, width):
        return self.jax.numpy.pad(z, ((0, 0), (0, 0), (0, width - z.shape[-1])))

    def halves(self, x):
        return self.jax.numpy.split(x, 2, axis=-1)

    def losses(self, logits, targets):
        target = self.jax.numpy.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
        return self.jax.nn.logsumexp(logits, axis=-1) - target

    @functools.cached_property
    def passes(self):
        def there_and_back(settings, weights, ids, z, gradient):
            model, index = json.loads(settings)
            there = functools.partial(stage, self, model, index)
            if z is None:
                output, back = self.jax.vjp(lambda weights: there(weights, ids, None), weights)
                return output, *back(ones_or(gradient, output)), None
            output, back = self.jax.vjp(lambda weights, z: there(weights, ids, z), weights, z)
            return output, *back(ones_or(gradient, output))

        ones_or = lambda gradient, output: self.jax.numpy.ones_like(output) if gradient is None else gradient
        return self.jax.jit(there_and_back, static_argnums=0)

    def run(self, model, index, weights, ids, z, gradient):
        """What is handed on, the gradients of the weights, and of z."""
        output, gradients, back = self.passes(json.dumps([model, index]), weights, ids, z, gradient)
        return numpy.asarray(output), {k: numpy.asarray(g) for k, g in gradients.items()}, back


class Torch:
    def __init__(self, options):
        import torch
        import torch_model

        self.torch, self.model = torch, torch_model
        self.functional = torch.nn.functional
        self.silu = self.functional.silu
        asked = next((option for option in options if option != "tf32"), "cpu")
        self.device = "mps" if asked == "metal" else asked
        torch.set_float32_matmul_precision("high" if "tf32" in options else "highest")
        self.name = f"PyTorch {torch.__version__}, {self.device}{', TF32' if 'tf32' in options else ''}"

    def norm(self, x, gain):
        return self.functional.rms_norm(x, gain.shape, gain, EPSILON)

    def attention(self, model, qkv):
        table = rotary(qkv.shape[1], model["d_model"] // model["heads"], model["rope_base"])
        heads = model["heads"]
        return self.model.attention(heads, model.get("kv_heads") or heads, qkv, *map(self.take, table))

    def take(self, values):
        return self.torch.from_numpy(values).to(self.device)

    def widen(self, z, width):
        return self.functional.pad(z, (0, width - z.shape[-1]))

    def halves(self, x):
        return x.chunk(2, dim=-1)

    def losses(self, logits, targets):
        losses = self.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
        return losses.view(targets.shape)

    def run(self, model, index, weights, ids, z, gradient):
        weights = {name: self.take(values).requires_grad_() for name, values in weights.items()}
        z = None if z is None else self.take(z).requires_grad_()
        output = stage(self, model, index, weights, self.take(ids).long(), z)
        output.backward(self.torch.ones_like(output) if gradient is None else self.take(gradient))
        gradients = {name: values.grad.cpu().numpy() for name, values in weights.items()}
        return output.detach().cpu().numpy(), gradients, None if z is None else z.grad.cpu().numpy()


def stage(ops, model, index, weights, ids, z):
    """z, or the loss of each token. ids: [batch, context + 1]; z: [batch, context, r]."""
    of = lambda name: weights[f"model.{name}.weight"]

    def perceptron(x, name):
        return ops.silu(x @ of(f"{name}.up_proj").T) @ of(f"{name}.down_proj").T

    read = ids[:, :-1]
    if index == 0:
        x = of("embed_tokens")[read]
    else:
        name = f"boundaries.{index - 1}"
        x = ops.widen(z, model["d_model"]) + perceptron(z, f"{name}.decoder") + of(f"{name}.embed_tokens")[read]
    first = sum(model["layers_per_stage"][:index])
    for layer in range(first, first + model["layers_per_stage"][index]):
        part = lambda name, layer=layer: of(f"layers.{layer}.{name}")
        qkv = ops.norm(x, part("input_layernorm")) @ part("self_attn.qkv_proj").T
        x = x + ops.attention(model, qkv) @ part("self_attn.o_proj").T
        gate, up = ops.halves(ops.norm(x, part("post_attention_layernorm")) @ part("mlp.gate_up_proj").T)
        x = x + (ops.silu(gate) * up) @ part("mlp.down_proj").T
    if index + 1 == len(model["layers_per_stage"]):
        return ops.losses(ops.norm(x, of("norm")) @ weights["lm_head.weight"].T, ids[:, 1:])
    name = f"boundaries.{index}.encoder"
    rank = of(f"{name}.down_proj").shape[0]
    return x[..., :rank] + perceptron(ops.norm(x, of(f"{name}.norm")), name)


def answer(library, path):
    with safetensors.safe_open(path, framework="numpy") as file:
        asked = json.loads(file.metadata()["hop"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    ids, z, gradient = (tensors.pop(name, None) for name in ("ids", "incoming", "outgoing_gradient"))
    batch, context = ids.shape[0], ids.shape[1] - 1
    in_rows = lambda x: None if x is None else x.reshape(batch, context, -1)
    output, gradients, back = library.run(
        asked["model"], asked["stage"], tensors, ids, in_rows(z), in_rows(gradient)
    )
    handed = {**gradients, "output": output.reshape(batch * context, -1)}
    if back is not None:
        handed["incoming_gradient"] = numpy.asarray(back).reshape(batch * context, -1)
    save_file({name: numpy.ascontiguousarray(values) for name, values in handed.items()}, f"{path}.out")


if __name__ == "__main__":
    library = {"jax": Jax, "torch": Torch}[sys.argv[1]](sys.argv[2:])
    print(library.name, flush=True)
    for line in sys.stdin:
        answer(library, line.rstrip("\n"))
        print("done", flush=True)
