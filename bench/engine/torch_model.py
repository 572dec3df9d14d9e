"""The engine's model, loss and optimizer in PyTorch, of the functions that PyTorch has for them. Driven as `subject.py`
says, on the device that the subject names, else on the CPU:

    python bench/engine/torch_model.py SUBJECT.json WEIGHTS.safetensors [reversed | compiled | floor]

`compiled` hands the loss, and with it its way back, to `torch.compile`, which needs a C++ compiler. `floor` does nothing but the
products of the linear layers.
"""

import os

import torch
from subject import EPSILON, decay, rate_factor, rotary, serve
from torch.nn import functional


def turn(x, cosines, sines):
    """x: [batch, head, position, width]."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cosines - b * sines, b * cosines + a * sines), dim=-1)


def attention(heads, kv_heads, qkv, cosines, sines):
    batch, context, features = qkv.shape
    width = features // (heads + 2 * kv_heads)
    x = qkv.view(batch, context, heads + 2 * kv_heads, width).transpose(1, 2)
    queries, keys, values = x.split((heads, kv_heads, kv_heads), dim=1)
    queries, keys = turn(queries, cosines, sines), turn(keys, cosines, sines)
    mixed = functional.scaled_dot_product_attention(
        queries, keys, values, is_causal=True, enable_gqa=kv_heads != heads
    )
    return mixed.transpose(1, 2).reshape(batch, context, heads * width)


class Torch:
    def __init__(self, subject, parameters, option):
        model, optimizer = subject["model"], subject["optimizer"]
        self.device = {None: "cpu", "metal": "mps"}.get(subject["device"], subject["device"])
        # Whoever started this process said by its affinity how many cores it is to have.
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        self.heads, self.kv_heads = model["heads"], model.get("kv_heads") or model["heads"]
        self.layers, self.clip_norm = sum(model["layers_per_stage"]), optimizer["clip_norm"]
        self.parameters = {name: self.take(values).requires_grad_() for name, values in parameters.items()}
        table = rotary(model["context"], model["d_model"] // model["heads"], model["rope_base"])
        self.table = [self.take(values) for values in table]
        groups = {}
        for name, weights in self.parameters.items():
            groups.setdefault((rate_factor(optimizer, name), decay(optimizer, name, weights)), []).append(weights)
        self.groups = [
            {"params": members, "factor": factor, "weight_decay": decays} for (factor, decays), members in groups.items()
        ]
        betas, epsilon = (optimizer["beta1"], optimizer["beta2"]), optimizer["epsilon"]
        self.optimizer = torch.optim.AdamW(self.groups, betas=betas, eps=epsilon, fused=True)
        self.loss = torch.compile(self.loss, dynamic=False) if option == "compiled" else self.loss

    def take(self, values):
        return torch.from_numpy(values).to(self.device)

    def loss(self, ids):
        """Nats per token. ids: [batch, context + 1]."""
        norm = lambda x, gain: functional.rms_norm(x, gain.shape, gain, EPSILON)
        parameters = self.parameters
        x = functional.embedding(ids[:, :-1], parameters["model.embed_tokens.weight"])
        for layer in range(self.layers):
            of = lambda name: parameters[f"model.layers.{layer}.{name}.weight"]
            qkv = functional.linear(norm(x, of("input_layernorm")), of("self_attn.qkv_proj"))
            mixed = attention(self.heads, self.kv_heads, qkv, *self.table)
            x = x + functional.linear(mixed, of("self_attn.o_proj"))
            gate_up = functional.linear(norm(x, of("post_attention_layernorm")), of("mlp.gate_up_proj"))
            gate, up = gate_up.chunk(2, dim=-1)
            x = x + functional.linear(functional.silu(gate) * up, of("mlp.down_proj"))
        logits = functional.linear(norm(x, parameters["model.norm.weight"]), parameters["lm_head.weight"])
        return functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())

    def train(self, ids, rate, count):
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        value = self.loss(self.take(ids).long())
        value.backward()
        # It divides by the norm and a millionth: AdamW's steps do not change with the length of gradients.
        torch.nn.utils.clip_grad_norm_(self.parameters.values(), self.clip_norm, foreach=True)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return value.item()

    def window(self, batches):
        losses = []
        for ids in batches:
            value = self.loss(self.take(ids).long())
            losses.append(value.item())
            value.backward()
        for weights in self.parameters.values():
            weights.grad.cpu()
        self.optimizer.zero_grad()
        return losses


class Floor(Torch):
    """The products of the linear layers alone: y = x·Wᵀ, dx = dy·W, dW = dyᵀ·x."""

    def __init__(self, subject, parameters, option):
        super().__init__(subject, parameters, option)
        rows = subject["batch"] * subject["model"]["context"]
        random = lambda width: torch.randn(rows, width, device=self.device)
        self.products = [
            (weights.detach(), random(weights.shape[1]), random(weights.shape[0]))
            for name, weights in self.parameters.items()
            if weights.ndim == 2 and "embed_tokens" not in name
        ]

    def window(self, batches):
        for _ in batches:
            for weights, x, dy in self.products:
                _, _, last = x @ weights.T, dy @ weights, dy.T @ x
        # Until it is here, products may be under way.
        return [last[0, 0].item()]


if __name__ == "__main__":
    serve(lambda subject, *rest: (Floor if rest[-1] == "floor" else Torch)(subject, *rest), options=["compiled", "floor"])
