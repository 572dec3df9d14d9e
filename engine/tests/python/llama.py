"""Whether models go back and forth between `engine` and Hugging Face's transformers.

A model that `engine` wrote is loaded there, a model that transformers wrote is imported here, whole and cut, and both
compute the same from the same tokens; what `engine` does not compute is refused with the reason. The packages come from
PyPI into a virtual environment; where PyPI is not reachable, all is skipped. Where it is, a package that cannot be
installed is a failure.

    llama.py LLAMA_CHECKPOINT_BINARY ENVIRONMENT_DIRECTORY
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import traceback
import venv

ROOT = pathlib.Path(__file__).resolve().parents[3]
REQUIREMENTS = ROOT / "bench" / "engine" / "requirements-torch.txt"

# Largest difference of a logarithm of a probability. Both sides round in f32, in other orders, and are some 3e-6 from the
# same formulas in f64 for these models.
TOLERANCE = 2e-5
# Least spread of logits that are compared: near zero all models agree.
SPREAD = 0.5
TOKENS = 24

# What is trained and exported here: shapes that the engine has, each of one stage.
OURS = {
    "vocab": 256,
    "d_model": 64,
    "heads": 4,
    "ffn": 172,
    "context": 64,
    "layers_per_stage": [3],
    "bottleneck": "none",
    "rope_base": 10_000,
}
# What is made there.
THEIRS = {
    "vocab_size": 256,
    "hidden_size": 64,
    "intermediate_size": 172,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    # Wide enough that logits spread.
    "initializer_range": 0.1,
}
LLAMA_3 = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}


class Failed(Exception):
    """The two do not agree."""


def check(held, what):
    if not held:
        raise Failed(what)


class Unreachable(Exception):
    """There is no PyPI to install from."""


def install(environment):
    """The Python of a virtual environment with PyTorch and transformers, the one that the engine's benchmark has."""
    python = environment / "bin" / "python"
    installed = environment / "installed"
    if installed.exists() and installed.stat().st_mtime >= REQUIREMENTS.stat().st_mtime:
        return python
    venv.create(environment, with_pip=True, clear=True)
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    command = [python, "-m", "pip", "install", *quiet, "--requirement", REQUIREMENTS]
    if subprocess.run(command, stdin=subprocess.DEVNULL).returncode != 0:
        # Whether that is PyPI's doing: what certainly is on it can be had, or not.
        probe = ["download", *quiet, "--no-deps", "--retries", "1", "--dest", environment / "probe", "pip"]
        if subprocess.run([python, "-m", "pip", *probe], stdin=subprocess.DEVNULL).returncode != 0:
            raise Unreachable
        raise Failed("PyPI is reachable, and PyTorch and transformers cannot be installed from it")
    installed.touch()
    return python


class Engine:
    """The binary."""

    def __init__(self, binary):
        self.binary = binary

    def run(self, *arguments, text=""):
        command = [str(part) for part in (self.binary, *arguments)]
        return subprocess.run(command, input=text, capture_output=True, text=True)

    def __call__(self, *arguments, text=""):
        run = self.run(*arguments, text=text)
        check(run.returncode == 0, f"engine {arguments[0]}: {run.stderr.strip()}")
        return json.loads(run.stdout)

    def logits(self, directory, ids, cut=()):
        """The model's name, and its logits."""
        import torch

        answer = self("logits", directory, *cut, text=" ".join(map(str, ids)))
        return answer["model"], torch.tensor(answer["logits"], dtype=torch.float64)


def sequence(vocab):
    return [(i * i + 7 * i + 3) % vocab for i in range(TOKENS)]


def load(directory):
    """The model as transformers reads it, computed in f32; it has all tensors of the file and no others."""
    import torch
    from transformers import LlamaForCausalLM

    model, info = LlamaForCausalLM.from_pretrained(directory, dtype=torch.float32, output_loading_info=True)
    for kind, keys in info.items():
        check(not keys, f"transformers says {kind}: {keys}")
    return model.eval()


def their_logits(model, ids):
    """As `Engine.logits`: logarithms of probabilities, after each token but the first."""
    import torch

    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0, 1:].double().log_softmax(dim=-1)


def agree(ours, theirs):
    """The largest difference, if it is small enough."""
    check(ours.shape == theirs.shape, f"{list(ours.shape)} logits here, {list(theirs.shape)} there")
    spread = theirs.std(dim=-1).min().item()
    check(spread > SPREAD, f"logits spread by {spread:.2g} only, which proves nothing")
    difference = (ours - theirs).abs().max().item()
    check(difference < TOLERANCE, f"logits differ by {difference:.2g}")
    return f"logits differ by {difference:.1e} at most, and spread by {spread:.1f}"


def exported(engine, folder, change):
    """Made here: transformers loads it, and so does this importer, to the same bits."""
    config = folder / "shape.json"
    config.write_text(json.dumps(OURS | change))
    made = engine("export", config, 7, folder / "model")["model"]
    ids = sequence((OURS | change)["vocab"])
    name, ours = engine.logits(folder / "model", ids)
    check(name == made, "what is read back here is another model")
    return agree(ours, their_logits(load(folder / "model"), ids))


def make(folder, change, dtype="float32", max_shard_size="1GB", edit=None, head=False):
    """A model of transformers' with weights at random, gains too; its configuration may be edited as a text is, and a head
    put into the file."""
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(11)
    model = LlamaForCausalLM(LlamaConfig(**THEIRS | change))
    for name, weights in model.named_parameters():
        if weights.ndim == 1:
            torch.nn.init.uniform_(weights.data, 0.5, 1.5)
    model.to(getattr(torch, dtype)).save_pretrained(folder, max_shard_size=max_shard_size)
    path = folder / "config.json"
    config = json.loads(path.read_text())
    if edit:
        path.write_text(json.dumps(edit(config)))
    if head:
        tensors = load_file(folder / "model.safetensors")
        tensors["lm_head.weight"] = torch.randn(config["vocab_size"], config["hidden_size"])
        save_file(tensors, folder / "model.safetensors")


def imported(engine, folder, change, cut=(), files=1, **making):
    """Made there: this importer reads it."""
    make(folder, change, **making)
    found = len(list(folder.glob("*.safetensors")))
    check(found >= files, f"transformers wrote {found} files")
    ids = sequence((THEIRS | change)["vocab_size"])
    return agree(engine.logits(folder, ids, cut)[1], their_logits(load(folder), ids))


def older(config):
    """The configuration as transformers wrote it before its version 5."""
    config = dict(config)
    parameters = config.pop("rope_parameters")
    config["torch_dtype"] = config.pop("dtype")
    return config | {"rope_theta": parameters["rope_theta"], "rope_scaling": None}


def scaling_only(config):
    """The configuration of an older version, with a base in its `rope_scaling`, which goes before the other."""
    return older(config) | {"rope_scaling": {"rope_type": "default", "rope_theta": 500_000.0}}


def published(config):
    """As a person may have written it: nothing that has a default."""
    told = ("architectures", "hidden_size", "intermediate_size", "max_position_embeddings", "model_type", "rms_norm_eps")
    told += ("num_attention_heads", "num_hidden_layers", "num_key_value_heads", "vocab_size")
    return {name: config[name] for name in told}


def edited(**change):
    return lambda config: config | change


def refused(engine, folder, change, words, **making):
    """Made there, and not computed here: the refusal names the reason."""
    make(folder, change, **making)
    run = engine.run("logits", folder, text=" ".join(map(str, sequence(THEIRS["vocab_size"]))))
    check(run.returncode != 0, "it was read")
    said = run.stderr.strip()
    check(all(word in said for word in words), f"it was refused without {' and '.join(words)}: {said}")
    return said


def seen(engine, folder):
    """That the comparison would find a model that was read wrongly."""
    make(folder, {})
    ids = sequence(THEIRS["vocab_size"])
    theirs = their_logits(load(folder), ids)
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["rope_parameters"]["rope_theta"] = 10_010.0
    path.write_text(json.dumps(config))
    difference = (engine.logits(folder, ids)[1] - theirs).abs().max().item()
    check(difference > 5 * TOLERANCE, f"another base of positions changes logits by {difference:.2g} only")
    return f"10,010 for 10,000 as the base of positions changes logits by {difference:.1e}"


def cases():
    """A title, the trial, and what it takes beside the engine and a folder."""
    grouped = {"num_key_value_heads": 2}
    tied = {"tie_word_embeddings": True}
    for title, change in {
        "as many heads of keys as of queries": {},
        "two heads of keys": {"kv_heads": 2},
        "one head of keys": {"kv_heads": 1},
        "vocabulary of 320, base 500,000": {"vocab": 320, "rope_base": 500_000},
    }.items():
        yield f"made here: {title}", exported, {"change": change}
    for title, trial in {
        "as many heads of keys as of queries": {"change": {}},
        "two heads of keys": {"change": grouped},
        "one head of keys": {"change": {"num_key_value_heads": 1}},
        "vocabulary of 320": {"change": {"vocab_size": 320}},
        "tied embeddings": {"change": tied},
        "several files": {"change": grouped, "max_shard_size": "100KB", "files": 4},
        "several files, tied embeddings": {"change": tied, "max_shard_size": "100KB", "files": 4},
        "bfloat16": {"change": grouped, "dtype": "bfloat16"},
        "bfloat16, tied embeddings, several files": {
            "change": tied, "dtype": "bfloat16", "max_shard_size": "50KB", "files": 4,
        },
        "float16": {"change": grouped, "dtype": "float16"},
        "base 500,000": {"change": {"rope_parameters": {"rope_type": "default", "rope_theta": 500_000.0}}},
        "base 500,000, configuration of an older version": {
            "change": {"rope_parameters": {"rope_type": "default", "rope_theta": 500_000.0}}, "edit": older,
        },
        "base 500,000, said where scaling is": {"change": {}, "edit": scaling_only},
        "configuration without defaults": {"change": grouped, "edit": published},
        "cut in two stages": {"change": grouped, "cut": (1, 2)},
        "cut in three stages, bfloat16, tied embeddings": {"change": tied, "dtype": "bfloat16", "cut": (1, 1, 1)},
    }.items():
        yield f"made there: {title}", imported, trial
    for title, change, words, making in (
        ("positions scaled as Llama 3's", {"rope_parameters": LLAMA_3}, ["scaled", "llama3"], {}),
        (
            "positions scaled, configuration of an older version",
            {},
            ["scaled", "linear"],
            {"edit": edited(rope_parameters=None, rope_scaling={"type": "linear", "factor": 2.0})},
        ),
        ("a base that is no whole number", {"rope_parameters": {"rope_type": "default", "rope_theta": 10_000.5}}, ["10000.5"], {}),
        ("biases of attention", {"attention_bias": True}, ["biases", "attention_bias"], {}),
        ("biases of the feed-forward layers", {"mlp_bias": True}, ["biases", "mlp_bias"], {}),
        ("another activation", {"hidden_act": "gelu"}, ["`gelu`", "silu"], {}),
        ("another epsilon", {"rms_norm_eps": 1e-6}, ["rms_norm_eps", "0.000001"], {}),
        ("heads of another width", {"head_dim": 32}, ["4 heads of 32 features"], {}),
        ("another architecture", {}, ["`mistral`"], {"edit": edited(model_type="mistral")}),
        ("attention that sees later tokens", {}, ["is_causal"], {"edit": edited(is_causal=False)}),
        (
            "positions described twice",
            {"rope_parameters": {"rope_type": "default", "rope_theta": 500_000.0}},
            ["rope_scaling", "rope_parameters"],
            {"edit": edited(rope_scaling={"rope_type": "default"})},
        ),
        ("a head of its own beside a tied one", {"tie_word_embeddings": True}, ["another head"], {"head": True}),
    ):
        yield f"refused: {title}", refused, {"change": change, "words": words, **making}
    yield "what a wrong reading would look like", seen, {}


def compare(binary):
    """In the virtual environment: how many held, and how many did not."""
    # Nothing is looked up on the hub, and no progress is drawn.
    os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    print(f"llama: PyTorch {torch.__version__}, transformers {transformers.__version__}", flush=True)
    engine, held, failed = Engine(binary), 0, 0
    for title, trial, arguments in cases():
        with tempfile.TemporaryDirectory() as folder:
            try:
                print(f"{title}: {trial(engine, pathlib.Path(folder), **arguments)}", flush=True)
                held += 1
            except Exception as error:
                said = error if isinstance(error, Failed) else traceback.format_exc()
                print(f"FAILED {title}: {said}", flush=True)
                failed += 1
    print(f"llama: {held} passed, {failed} failed")
    return 1 if failed else 0


def main():
    binary, environment = (pathlib.Path(argument).absolute() for argument in sys.argv[1:3])
    if pathlib.Path(sys.prefix).resolve() == environment.resolve():
        sys.exit(compare(binary))
    environment.parent.mkdir(parents=True, exist_ok=True)
    try:
        python = install(environment)
    except Unreachable:
        print("llama: all skipped, PyTorch and transformers cannot be had, PyPI is not reachable")
        sys.exit(0)
    except Failed as failed:
        sys.exit(f"llama: {failed}")
    # The rest needs the packages.
    os.execv(python, [str(python), *sys.argv])


if __name__ == "__main__":
    main()
