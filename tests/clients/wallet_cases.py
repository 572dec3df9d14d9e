"""Wallets: keys on disk, signatures, and what a coldkey holds and says of itself."""

from cases import TAO, about, cli, document, sdk

# The phrase that Substrate's development keys come from.
PHRASE = "bottom drive obey lake curtain smoke basket hold race lonely fit walk"
SEED = "0x" + "5a" * 32
MESSAGE = "narrows between two seas"


def alice():
    return [
        cli("wallet", ["wallet", "create", "--uri", "//Alice", "--no-use-password"],
            lambda wallets, *_: wallets.cold("alice").startswith("5Grwva"), wallet="alice", chain=False, prompts=False),
    ]


def keys():
    """What needs no chain."""
    return [
        sdk("wallet", ["wallet", "create", "--no-password"],
            lambda wallets, state, _, output: document(output)["coldkey_ss58"] == wallets.cold("bob"),
            wallet="bob", chain=False),
        sdk("wallet", ["wallet", "create", "--no-password", "--n-words", 24],
            lambda wallets, state, _, output: document(output)["coldkey_ss58"] == wallets.cold("carol"),
            wallet="carol", chain=False),
        cli("wallet", ["wallet", "create", "--n-words", 12, "--no-use-password"],
            lambda wallets, state, _, output: document(output)["data"]["coldkey_ss58"] == wallets.cold("dan"),
            wallet="dan", chain=False, prompts=False),
        sdk("wallet", ["wallet", "regen-coldkey", "--no-password", "--mnemonic", PHRASE],
            lambda wallets, state, *_: wallets.cold("erin") == state("address", PHRASE),
            wallet="erin", chain=False),
        sdk("wallet", ["wallet", "regen-hotkey", "--seed", SEED],
            lambda wallets, state, *_: wallets.hot("erin") == state("address", SEED), wallet="erin", chain=False),
        cli("wallet", ["wallet", "regen-coldkey", "--no-use-password", "--overwrite", "--seed", SEED],
            lambda wallets, state, *_: wallets.cold("frank") == state("address", SEED),
            wallet="frank", chain=False, prompts=False, hotkey=False),
        cli("wallet", ["wallet", "regen-hotkey", "--no-use-password", "--mnemonic", PHRASE],
            lambda wallets, state, *_: wallets.hot("frank") == state("address", PHRASE),
            wallet="frank", chain=False, prompts=False),
        sdk("wallet", ["wallet", "new-coldkey", "--no-password"],
            lambda wallets, state, _, output: document(output)["ss58"] == wallets.cold("grace"), wallet="grace", chain=False),
        sdk("wallet", ["wallet", "new-hotkey", "-H", "second"],
            lambda wallets, state, _, output: document(output)["ss58"] == wallets.hot("carol", "second"),
            wallet="carol", hotkey=False, chain=False),
        cli("wallet", ["wallet", "new-coldkey", "--n-words", 12, "--no-use-password"],
            lambda wallets, state, _, output: document(output)["data"]["coldkey_ss58"] == wallets.cold("heidi"),
            wallet="heidi", hotkey=False, chain=False, prompts=False),
        cli("wallet", ["wallet", "new-hotkey", "--hotkey", "second", "--n-words", 12, "--no-use-password"],
            lambda wallets, state, _, output: document(output)["data"]["hotkey_ss58"] == wallets.hot("dan", "second"),
            wallet="dan", hotkey=False, chain=False, prompts=False),
        sdk("wallet", lambda wallets: ["wallet", "regen-coldkeypub", "--ss58", wallets.cold("bob"), "--public-key",
                                       wallets.public("bob")],
            lambda wallets, *_: wallets.cold("ivan") == wallets.cold("bob"), wallet="ivan", chain=False),
        cli("wallet", lambda wallets: ["wallet", "regen-coldkeypub", "--ss58", wallets.cold("dan"), "--public-key-hex",
                                       wallets.public("dan")],
            lambda wallets, *_: wallets.cold("judy") == wallets.cold("dan"), wallet="judy", hotkey=False, chain=False,
            prompts=False),
        # Only Ed25519 keys can be written to.
        sdk("wallet", ["wallet", "create", "--no-password", "--crypto-type", "ed25519"],
            lambda wallets, state, _, output: document(output)["coldkey_ss58"] == wallets.cold("mallory"),
            wallet="mallory", chain=False),
        sdk("wallet", lambda wallets: ["wallet", "encrypt", "--message", MESSAGE, "--recipient", wallets.cold("mallory")],
            lambda wallets, state, _, output: wallets.note("from 11.3", document(output)["ciphertext"]), chain=False),
        cli("wallet", lambda wallets: ["wallet", "encrypt", "--message", MESSAGE, "--to", wallets.cold("mallory")],
            lambda wallets, state, _, output: wallets.note("from 9.23", document(output)["data"]["ciphertext_hex"]),
            chain=False, prompts=False),
        sdk("wallet", lambda wallets: ["wallet", "decrypt", "--ciphertext", "0x" + wallets.notes["from 9.23"]],
            lambda wallets, state, _, output: MESSAGE in output, wallet="mallory", chain=False),
        cli("wallet", lambda wallets: ["wallet", "decrypt", "--no-use-hotkey", "--ciphertext",
                                       wallets.notes["from 11.3"].removeprefix("0x")],
            lambda wallets, state, _, output: MESSAGE in output, wallet="mallory", chain=False, prompts=False),
        sdk("wallet", ["wallet", "show"],
            lambda wallets, state, _, output: document(output)["hotkey_ss58"] == wallets.hot("carol"), wallet="carol",
            chain=False),
        sdk("wallet", ["wallet", "list"],
            lambda wallets, state, _, output: {"alice", "bob", "carol", "dan", "erin", "frank"}
            <= {entry["coldkey"] for entry in document(output)["coldkeys"]}, chain=False),
        cli("wallet", lambda wallets: ["wallet", "list", "--wallet-path", wallets.folder],
            lambda wallets, state, _, output: {name: wallets.cold(name) for name in ("bob", "carol", "dan", "erin")}.items()
            <= {entry["name"]: entry["ss58_address"] for entry in document(output)["wallets"]}.items(),
            chain=False, prompts=False),
        sdk("wallet", ["wallet", "sign", "--message", MESSAGE],
            lambda wallets, state, _, output: state(
                "verified", wallets.cold("carol"),
                "sr25519:" + wallets.note("by coldkey", document(output)["signed_message"]), MESSAGE),
            wallet="carol", chain=False),
        cli("wallet", ["wallet", "sign", "--use-hotkey", "--message", MESSAGE],
            lambda wallets, state, _, output: state(
                "verified", wallets.hot("dan"),
                "sr25519:" + wallets.note("by hotkey", document(output)["signed_message"]), MESSAGE),
            wallet="dan", chain=False, prompts=False),
        sdk("wallet", lambda wallets: ["wallet", "verify", "--message", MESSAGE, "--ss58", wallets.hot("dan"),
                                       "--signature", wallets.notes["by hotkey"]],
            lambda wallets, state, _, output: document(output)["valid"] is True, chain=False),
        cli("wallet", lambda wallets: ["wallet", "verify", "--message", MESSAGE, "--address",
                                       wallets.cold("carol"), "--signature", wallets.notes["by coldkey"]],
            lambda wallets, state, _, output: document(output)["verified"] is True, chain=False, prompts=False),
    ]


def transfer(name, tao):
    """From //Alice, who holds what there is."""
    return sdk(
        "wallet",
        lambda wallets: ["wallet", "transfer", "--dest", wallets.cold(name), "--amount", tao],
        lambda wallets, state, before, _: state("balance", wallets.cold(name)) - before == tao * TAO,
        wallet="alice",
        asks=True,
        before=lambda wallets, state: state("balance", wallets.cold(name)),
    )


def money():
    return [
        transfer("bob", 5_000),
        transfer("carol", 15_000),
        cli("wallet", lambda wallets: ["wallet", "transfer", "--destination", wallets.cold("dan"), "--amount", 15_000],
            lambda wallets, state, *_: state("balance", wallets.cold("dan")) == 15_000 * TAO, wallet="alice"),
        sdk("wallet", ["wallet", "balance"],
            lambda wallets, state, _, output: document(output)["free_tao"] * TAO
            == state("balance", wallets.cold("bob")), wallet="bob"),
        cli("wallet", ["wallet", "balance"],
            lambda wallets, state, _, output: document(output)["balances"]["bob"]["free"] * TAO
            == state("balance", wallets.cold("bob")), wallet="bob", prompts=False),
    ]


def on_chain(netuid):
    """What needs neurons: carol's has uid 1, dan's 2."""
    return [
        sdk("wallet", ["wallet", "overview"],
            lambda wallets, state, _, output: 1 in {stake["uid"] for stake in document(output)[0]["stakes"]
                                                    if stake["netuid"] == netuid},
            wallet="carol"),
        cli("wallet", ["wallet", "overview"],
            lambda wallets, state, _, output: {neuron["uid"] for subnet in document(output)["subnets"]
                                               if subnet["netuid"] == netuid for neuron in subnet["neurons"]} >= {2},
            wallet="dan", prompts=False),
        sdk("wallet", ["wallet", "registrations"],
            lambda wallets, state, _, output: {"netuid": netuid, "uid": 1} in next(
                hotkey["registrations"] for hotkey in document(output)[0]["hotkeys"] if hotkey["name"] == "default"),
            wallet="carol"),
        sdk("wallet", ["wallet", "inspect"],
            lambda wallets, state, _, output: f'"free_tao": {state("balance", wallets.cold("carol")) / TAO}' in output,
            wallet="carol"),
        sdk("wallet", ["wallet", "set-identity", "--name", "Carol"],
            lambda wallets, state, *_: state("name", wallets.cold("carol")) == "Carol", asks=True, wallet="carol"),
        sdk("wallet", ["wallet", "get-identity"],
            lambda wallets, state, _, output: document(output)["name"] == state("name", wallets.cold("carol")),
            wallet="carol"),
        # What is left out, or empty, is asked for.
        cli("wallet", ["wallet", "set-identity", "--id-name", "Dan", "--web-url", "https://example.org", "--image-url",
                       "https://example.org/dan.png", "--discord", "dan", "--description", "sails", "--additional", "none",
                       "--github", "https://github.com/example/dan"],
            lambda wallets, state, *_: state("name", wallets.cold("dan")) == "Dan", wallet="dan"),
        cli("wallet", lambda wallets: ["wallet", "get-identity", "--key", wallets.cold("carol")],
            lambda wallets, state, _, output: document(output)["name"] == "Carol", prompts=False),
        sdk("wallet", lambda wallets: ["wallet", "associate-hotkey", "--hotkey", wallets.hot("erin")],
            lambda wallets, state, *_: state("owner", wallets.hot("erin")) == wallets.cold("carol"),
            asks=True, wallet="carol"),
    ]
