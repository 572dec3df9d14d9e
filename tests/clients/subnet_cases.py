"""Subnets: making them, joining them, their hyperparameters and mechanisms, and what is shown of them. Bob owns the first
one, dan the second."""

from cases import TAO, about, advance, cli, document, falls, raw_hyperparameter, root, sdk, until

# What is left out, or empty, is asked for.
IDENTITY = ["--github-repo", "https://github.com/example/haven", "--subnet-contact", "haven@example.org", "--subnet-url",
            "https://example.org", "--discord-handle", "haven", "--description", "calm", "--logo-url",
            "https://example.org/haven.png", "--additional-info", "none"]

ROOT = 0
SPLIT = [16384, 49151]
"""One part and three of what a `u16` holds, as 9.23 rounds."""


def making(netuid, other):
    return [
        sdk("subnets", ["subnets", "create-cost"],
            lambda wallets, state, before, output: falls(before, document(output)["tao"] * TAO, state("subnet-cost")),
            before=lambda wallets, state: state("subnet-cost")),
        sdk("subnets", ["subnets", "create"],
            lambda wallets, state, _, output: netuid in state("subnets")
            and state("owner", wallets.hot("bob")) == wallets.cold("bob"), asks=True, wallet="bob"),
        sdk("subnets", ["sudo", "check-start", "--netuid", netuid],
            lambda wallets, state, _, output: document(output)["earliest_start_block"] <= document(output)["current_block"]),
        sdk("subnets", ["sudo", "start", "--netuid", netuid], lambda wallets, state, *_: state("started", netuid),
            asks=True, wallet="bob"),
        cli("subnets", ["subnets", "burn-cost"],
            lambda wallets, state, before, output: falls(before, document(output)["burn_cost"]["rao"], state("subnet-cost")),
            prompts=False, before=lambda wallets, state: state("subnet-cost")),
        cli("subnets", ["subnets", "create", "--subnet-name", "Haven", *IDENTITY, "--no-mev-protection"],
            lambda wallets, state, *_: state("subnet-name", other) == "Haven"
            and state("owner", wallets.hot("dan")) == wallets.cold("dan"), wallet="dan"),
        cli("subnets", ["subnets", "check-start", "--netuid", other],
            lambda wallets, state, _, output: "start" in output.lower(), prompts=False, json=False),
        cli("subnets", ["subnets", "start", "--netuid", other],
            lambda wallets, state, *_: state("started", other), wallet="dan", json=False),
    ]


def joining(netuid):
    return [
        sdk("subnets", ["subnets", "burn-cost", netuid],
            lambda wallets, state, before, output: falls(before, document(output)["tao"] * TAO, state("burn", netuid)),
            before=lambda wallets, state: state("burn", netuid)),
        sdk("subnets", ["subnets", "register", "--netuid", netuid],
            lambda wallets, state, *_: state("uid", netuid, wallets.hot("carol")) == 1, asks=True, wallet="carol"),
        cli("subnets", ["subnets", "register", "--netuid", netuid],
            lambda wallets, state, *_: state("uid", netuid, wallets.hot("dan")) == 2, wallet="dan"),
        sdk("root", ["root", "register"],
            lambda wallets, state, *_: state("uid", ROOT, wallets.hot("carol")) is not None, asks=True, wallet="carol"),
        cli("root", ["subnets", "register", "--netuid", ROOT],
            lambda wallets, state, *_: state("uid", ROOT, wallets.hot("dan")) is not None, wallet="dan"),
    ]


def registration(netuid, is_open):
    """Opens or closes a subnet. A closed one emits nothing, so that stake stands still and can be compared."""
    return root("subnets", "AdminUtils.sudo_set_network_registration_allowed",
                {"netuid": netuid, "registration_allowed": is_open})


def proving(netuid):
    """Joining for work instead of TAO."""
    return [
        registration(netuid, True),
        root("subnets", "AdminUtils.sudo_set_min_difficulty", {"netuid": netuid, "min_difficulty": 1}),
        root("subnets", "AdminUtils.sudo_set_difficulty", {"netuid": netuid, "difficulty": 1}),
        sdk("wallet", ["wallet", "new-hotkey", "-H", "worker"],
            lambda wallets, state, _, output: document(output)["ss58"] == wallets.hot("erin", "worker"), wallet="erin",
            hotkey=False, chain=False),
        sdk("subnets", ["subnets", "register", "--netuid", netuid, "--pow", "--pow-backend", "cpu", "-H", "worker"],
            lambda wallets, state, *_: state("uid", netuid, wallets.hot("erin", "worker")) is not None
            and state("owner", wallets.hot("erin", "worker")) == wallets.cold("erin"), wallet="erin", hotkey=False, asks=True),
        registration(netuid, False),
    ]


def ending(netuid):
    """Root takes a subnet down; its stakers get their TAO."""
    return [
        root("subnets", "SubtensorModule.root_dissolve_network", {"netuid": netuid},
             lambda wallets, state, *_: netuid not in state("subnets")),
    ]


def hyperparameters(netuid):
    return [
        sdk("subnets", ["sudo", "set", "--netuid", netuid, "--name", "serving_rate_limit", "--value", 7],
            lambda wallets, state, *_: state("hyperparameters", netuid)["serving_rate_limit"] == 7,
            asks=True, wallet="bob"),
        cli("subnets", ["sudo", "set", "--netuid", netuid, "--param", "immunity_period", "--value", 77],
            lambda wallets, state, *_: state("hyperparameters", netuid)["immunity_period"] == 77, wallet="bob"),
        sdk("subnets", ["sudo", "set", "--netuid", netuid, "--name", "commit_reveal_weights_enabled", "--value", "false"],
            lambda wallets, state, *_: not state("hyperparameters", netuid)["commit_reveal_weights_enabled"],
            asks=True, wallet="bob"),
        sdk("subnets", ["subnets", "hyperparameters", netuid],
            lambda wallets, state, _, output: raw_hyperparameter(document(output), "immunity_period") == 77),
        sdk("subnets", ["sudo", "get", "--netuid", netuid],
            lambda wallets, state, _, output: raw_hyperparameter(document(output), "serving_rate_limit") == 7),
        cli("subnets", ["sudo", "get", "--netuid", netuid],
            lambda wallets, state, _, output: next(entry["value"] for entry in document(output)
                                                   if entry["hyperparameter"] == "immunity_period") == 77, prompts=False),
        cli("subnets", ["subnets", "hyperparameters", "--netuid", netuid],
            lambda wallets, state, _, output: next(entry["value"] for entry in document(output)
                                                   if entry["hyperparameter"] == "immunity_period") == 77, prompts=False),
        sdk("subnets", ["sudo", "set-identity", "--netuid", netuid, "--name", "Strait"],
            lambda wallets, state, *_: state("subnet-name", netuid) == "Strait", asks=True, wallet="bob"),
        sdk("subnets", ["sudo", "get-identity", netuid],
            lambda wallets, state, _, output: "Strait" in output),
        cli("subnets", ["subnets", "get-identity", "--netuid", netuid],
            lambda wallets, state, _, output: "Strait" in output, prompts=False),
        sdk("subnets", ["sudo", "set-symbol", "--netuid", netuid, "--symbol", "σ"],
            lambda wallets, state, *_: state("symbol", netuid) == "σ", asks=True, wallet="bob"),
        cli("subnets", ["subnets", "set-symbol", "ω", "--netuid", netuid],
            lambda wallets, state, *_: state("symbol", netuid) == "ω", wallet="bob"),
        # Two mechanisms leave each half of the uids.
        sdk("subnets", ["sudo", "trim", "--netuid", netuid, "--max-n", 128],
            lambda wallets, state, *_: state("hyperparameters", netuid)["max_allowed_uids"] == 128,
            asks=True, wallet="bob"),
        cli("subnets", ["sudo", "trim", "--netuid", netuid, "--max", 100],
            lambda wallets, state, *_: state("hyperparameters", netuid)["max_allowed_uids"] == 100, wallet="bob"),
        sdk("subnets", ["sudo", "mechanisms", "count", "--netuid", netuid, "--value", 2],
            lambda wallets, state, *_: state("mechanisms", netuid) == 2, asks=True, wallet="bob"),
        cli("subnets", ["subnets", "mechanisms", "count", "--netuid", netuid],
            lambda wallets, state, _, output: document(output)["count"] == 2, prompts=False),
        cli("subnets", ["subnets", "mechanisms", "set", "--netuid", netuid, "--count", 1],
            lambda wallets, state, *_: state("mechanisms", netuid) == 1, wallet="bob", answers="y\n"),
        cli("subnets", ["subnets", "mechanisms", "set", "--netuid", netuid, "--count", 2],
            lambda wallets, state, *_: state("mechanisms", netuid) == 2, wallet="bob", answers="y\n"),
        cli("subnets", ["subnets", "mechanisms", "split-emissions", "--netuid", netuid, "--split", "1,3"],
            lambda wallets, state, *_: state("split", netuid) == SPLIT, wallet="bob"),
        cli("subnets", ["subnets", "mechanisms", "emissions", "--netuid", netuid],
            lambda wallets, state, _, output: document(output)["split"] == SPLIT, prompts=False),
        sdk("subnets", ["sudo", "mechanisms", "emissions", "--netuid", netuid],
            lambda wallets, state, _, output: document(output)["split"] == SPLIT),
        cli("sudo", ["sudo", "trigger-epoch", "--netuid", netuid],
            lambda wallets, state, before, _: until(lambda: state("epochs", netuid) > before),
            wallet="bob", before=lambda wallets, state: state("epochs", netuid)),
    ]


def shown(netuid):
    neurons = [0, 1, 2]
    return [
        sdk("subnets", ["subnets", "list"],
            lambda wallets, state, _, output: (netuid, len(neurons), 360)
            in [(entry["netuid"], entry["neurons"], entry["tempo"]) for entry in document(output)]),
        cli("subnets", ["subnets", "list"],
            lambda wallets, state, _, output: about(document(output)["subnets"][str(netuid)]["price"] * TAO,
                                                    state("price", netuid)), prompts=False),
        sdk("subnets", ["subnets", "show", netuid],
            lambda wallets, state, _, output: document(output)["owner_hotkey"] == wallets.hot("bob")
            and document(output)["neurons"] == len(neurons)),
        cli("subnets", ["subnets", "show", "--netuid", netuid, "--mechid", 0],
            lambda wallets, state, _, output: wallets.hot("dan") in [entry["hotkey"] for entry in document(output)["uids"]]),
        sdk("subnets", ["subnets", "price", "--netuid", netuid],
            lambda wallets, state, _, output: document(output)["price_rao"] == state("price", netuid)),
        cli("subnets", ["subnets", "price", "--netuid", netuid, "--current"],
            lambda wallets, state, _, output: about(document(output)[str(netuid)]["stats"]["current_price"] * TAO,
                                                    state("price", netuid)), prompts=False),
        sdk("subnets", ["subnets", "metagraph", netuid],
            lambda wallets, state, _, output: wallets.hot("carol") in output and wallets.hot("dan") in output),
        cli("view", ["view", "dashboard", "--save-file", "--dashboard-path", "."],
            lambda wallets, *_: all(name in page.read_text() for page in wallets.folder.parent.glob("*.html")
                                    for name in ("Strait", "Haven", wallets.cold("dan")[:6])),
            wallet="dan", hotkey=False, json=False, prompts=False),
        sdk("axon", ["axon", "set", "--netuid", netuid, "--ip", "203.0.113.7", "--port", 8091],
            lambda wallets, state, *_: state("axon", netuid, wallets.hot("carol")) == "203.0.113.7:8091",
            asks=True, wallet="carol"),
        cli("axon", ["axon", "set", "--netuid", netuid, "--ip", "203.0.113.8", "--port", 8092],
            lambda wallets, state, *_: state("axon", netuid, wallets.hot("dan")) == "203.0.113.8:8092", wallet="dan", json=False),
        # A neuron may serve again after the blocks of `serving_rate_limit`.
        advance(netuid, "--blocks", 7),
        cli("axon", ["axon", "reset", "--netuid", netuid],
            lambda wallets, state, *_: state("axon", netuid, wallets.hot("dan")) is None, wallet="dan", json=False),
        sdk("axon", ["axon", "reset", "--netuid", netuid],
            lambda wallets, state, *_: state("axon", netuid, wallets.hot("carol")) is None, asks=True, wallet="carol"),
    ]
