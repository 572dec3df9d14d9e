"""What is tried with Bittensor's clients, what must come of it on the chain, and where they differ, and why."""

import dataclasses
import json
import typing

ALPHA = 10**9
TAO = 10**9
NETUID = 1


@dataclasses.dataclass
class Result:
    """What came of a case."""

    case: "Case"
    works: bool
    seen: str

    @property
    def as_expected(self) -> bool:
        return self.works == (self.case.differs is None)

    def line(self) -> str:
        word = "works" if self.works else ("differs" if self.as_expected else "FAILED")
        note = "" if self.works and self.as_expected else f": {self.case.differs or self.seen}"
        if self.works and not self.as_expected:
            word, note = "FAILED", ": works, though it was said to differ"
        return f"{self.case.client} {word:<8} {self.case.shown}{note}"

    def row(self) -> str:
        version = {"sdk": "11.3", "cli": "9.23"}[self.case.client]
        word = "works" if self.works else f"differs: {self.case.differs}"
        return f"| {self.case.what} | {version} | `{self.case.shown}` | {word} |\n"


@dataclasses.dataclass
class Case:
    """One command of one client."""

    what: str
    client: str
    shown: str
    """The command as the table shows it."""
    act: typing.Callable
    """Runs it: (client, wallets) to (status, output)."""
    check: typing.Callable
    """Whether what was meant is so: (wallets, state, output before, output) to a truth value."""
    before: typing.Callable = lambda wallets, state: None
    """What the chain held before, for `check`."""
    differs: typing.Optional[str] = None
    """Why it does not work, where that is known."""

    def run(self, clients, state) -> Result:
        client = clients[self.client]
        wallets = Wallets(client.wallets)
        status, output = None, ""
        try:
            earlier = self.before(wallets, state)
            status, output = self.act(client)
            works = status == 0 and bool(self.check(wallets, state, earlier, output))
        except (OSError, ValueError, LookupError, TypeError, StopIteration) as error:
            works, output = False, f"{type(error).__name__} {error}: {output}"
        return Result(self, works, f"status {status}: {' '.join(output.split())[-400:]}")


class Wallets:
    """Addresses of the wallets that the clients made."""

    def __init__(self, folder):
        self.folder = folder

    def cold(self, name: str) -> str:
        return json.loads((self.folder / name / "coldkeypub.txt").read_text())["ss58Address"]

    def hot(self, name: str) -> str:
        return json.loads((self.folder / name / "hotkeys" / "default").read_text())["ss58Address"]


def document(output: str):
    """The JSON in what a client printed, warnings before it passed over. 9.23 breaks long lines: inside strings too."""
    start = min(place for place in (output.find("{"), output.find("[")) if place >= 0)
    return json.JSONDecoder(strict=False).raw_decode(output[start:].replace("\n", " "))[0]


def sdk(what, words, check, wallet=None, chain=True, asks=False, before=lambda wallets, state: None, differs=None):
    """A command of 11.3's `btcli`."""

    def act(client):
        words_now = words(Wallets(client.wallets)) if callable(words) else words
        extra = ["-n", client.url] if chain else []
        if wallet:
            extra += ["-w", wallet, "-H", "default"]
        return client.btcli(*words_now, *extra, "--wallet-path", client.wallets, "--json", *(["-y"] if asks else []))

    shown = words if not callable(words) else words(Placeholders())
    return Case(what, "sdk", "btcli " + " ".join(map(str, shown)), act, check, before, differs)


def cli(what, words, check, wallet=None, chain=True, prompts=True, hotkey=True, before=lambda wallets, state: None, differs=None):
    """A command of 9.23's `btcli`."""

    def act(client):
        words_now = words(Wallets(client.wallets)) if callable(words) else words
        extra = ["--network", client.url] if chain else []
        if wallet:
            extra += ["--wallet-name", wallet, "--wallet-path", client.wallets]
            extra += ["--hotkey", "default"] if hotkey else []
        return client.btcli(*words_now, *extra, "--json-output", *(["-y"] if prompts else []))

    shown = words if not callable(words) else words(Placeholders())
    return Case(what, "cli", "btcli " + " ".join(map(str, shown)), act, check, before, differs)


def library(what, shown, code, check, before=lambda wallets, state: None, differs=None):
    """A few lines against 11.3's library. `code` knows `client`, `wallet(NAME)` and prints one JSON document."""

    def act(client):
        head = (
            "import asyncio, json\nimport bittensor as bt\n"
            f"def wallet(name): return bt.Wallet(name=name, hotkey='default', path={str(client.wallets)!r})\n"
            f"async def main():\n    async with bt.Client({client.url!r}) as client:\n"
        )
        body = "".join(f"        {line}\n" for line in code.strip().splitlines())
        return client.library(head + body + "asyncio.run(main())\n")

    return Case(what, "sdk", shown, act, check, before, differs)


class Placeholders:
    """Stands for wallets where a command is shown."""

    def cold(self, name):
        return f"COLDKEY_{name.upper()}"

    def hot(self, name):
        return f"HOTKEY_{name.upper()}"


def raw_hyperparameter(shown, name):
    """One value of what 11.3 lists, however it wraps it."""
    if isinstance(shown, list):
        shown = {entry.get("name", entry.get("hyperparameter")): entry for entry in shown}
    value = shown.get("hyperparameters", shown)[name]
    return value.get("raw", value.get("value")) if isinstance(value, dict) else value


def about(got, wanted, part=0.01):
    """Equal but for fees and slippage."""
    return abs(got - wanted) <= part * abs(wanted)


def stake_of(name):
    """What a wallet has staked to its own hotkey."""
    return lambda wallets, state: state("stake", wallets.hot(name), wallets.cold(name), NETUID)


def transfer(name, tao):
    words = ["wallet", "transfer", "--dest", None, "--amount", tao]
    return sdk(
        "wallet",
        lambda wallets: [*words[:3], wallets.cold(name), *words[4:]],
        lambda wallets, state, before, _: state("balance", wallets.cold(name)) - before == tao * TAO,
        wallet="alice",
        asks=True,
        before=lambda wallets, state: state("balance", wallets.cold(name)),
    )


CASES = [
    cli("wallet", ["wallet", "create", "--uri", "//Alice", "--no-use-password"],
        lambda wallets, *_: wallets.cold("alice").startswith("5Grwva"), wallet="alice", chain=False, prompts=False),
    sdk("wallet", ["wallet", "create", "--no-password"],
        lambda wallets, state, _, output: document(output)["coldkey_ss58"] == wallets.cold("bob"),
        wallet="bob", chain=False),
    sdk("wallet", ["wallet", "create", "--no-password", "--n-words", 24],
        lambda wallets, state, _, output: document(output)["coldkey_ss58"] == wallets.cold("carol"),
        wallet="carol", chain=False),
    cli("wallet", ["wallet", "create", "--n-words", 12, "--no-use-password"],
        lambda wallets, state, _, output: document(output)["data"]["coldkey_ss58"] == wallets.cold("dan"),
        wallet="dan", chain=False, prompts=False),
    sdk("wallet", ["wallet", "list"],
        lambda wallets, state, _, output: {"alice", "bob", "carol", "dan"}
        <= {entry["coldkey"] for entry in document(output)["coldkeys"]}, chain=False),
    transfer("bob", 5_000),
    transfer("carol", 500),
    cli("wallet", lambda wallets: ["wallet", "transfer", "--destination", wallets.cold("dan"), "--amount", 700],
        lambda wallets, state, before, _: state("balance", wallets.cold("dan")) == 700 * TAO, wallet="alice"),
    sdk("wallet", ["wallet", "balance"],
        lambda wallets, state, _, output: document(output)["free_tao"] * TAO == state("balance", wallets.cold("bob")),
        wallet="bob"),
    cli("wallet", ["wallet", "balance"],
        lambda wallets, state, _, output: document(output)["balances"]["bob"]["free"] * TAO
        == state("balance", wallets.cold("bob")), wallet="bob", prompts=False),
    sdk("subnets", ["subnets", "create"],
        lambda wallets, state, _, output: NETUID in state("subnets")
        and state("owner", wallets.hot("bob")) == wallets.cold("bob"), asks=True, wallet="bob"),
    sdk("subnets", ["sudo", "start", "--netuid", NETUID], lambda wallets, state, *_: state("started", NETUID),
        asks=True, wallet="bob"),
    sdk("subnets", ["subnets", "register", "--netuid", NETUID],
        lambda wallets, state, *_: state("uid", NETUID, wallets.hot("carol")) == 1, asks=True, wallet="carol"),
    cli("subnets", ["subnets", "register", "--netuid", NETUID],
        lambda wallets, state, *_: state("uid", NETUID, wallets.hot("dan")) == 2, wallet="dan"),
    sdk("subnets", ["subnets", "list"],
        lambda wallets, state, _, output: [(entry["netuid"], entry["neurons"], entry["tempo"], entry["max_neurons"])
                                           for entry in document(output)] == [(NETUID, 3, 360, 256)]),
    cli("subnets", ["subnets", "list"],
        lambda wallets, state, _, output: about(document(output)["subnets"]["1"]["price"] * TAO, state("price", NETUID)),
        prompts=False),
    sdk("subnets", ["subnets", "show", NETUID],
        lambda wallets, state, _, output: document(output)["owner_hotkey"] == wallets.hot("bob")
        and document(output)["neurons"] == 3),
    sdk("subnets", ["subnets", "price", "--netuid", NETUID],
        lambda wallets, state, _, output: document(output)["price_rao"] == state("price", NETUID)),
    cli("subnets", ["subnets", "price", "--netuid", NETUID, "--current"],
        lambda wallets, state, _, output: about(document(output)["1"]["stats"]["current_price"] * TAO,
                                                state("price", NETUID)), prompts=False),
    sdk("subnets", ["sudo", "set", "--netuid", NETUID, "--name", "serving_rate_limit", "--value", 7],
        lambda wallets, state, *_: state("hyperparameters", NETUID)["serving_rate_limit"] == 7, asks=True, wallet="bob"),
    cli("subnets", ["sudo", "set", "--netuid", NETUID, "--param", "immunity_period", "--value", 77],
        lambda wallets, state, *_: state("hyperparameters", NETUID)["immunity_period"] == 77, wallet="bob"),
    sdk("subnets", ["sudo", "set", "--netuid", NETUID, "--name", "commit_reveal_weights_enabled", "--value", "false"],
        lambda wallets, state, *_: not state("hyperparameters", NETUID)["commit_reveal_weights_enabled"], asks=True, wallet="bob"),
    sdk("subnets", ["subnets", "hyperparameters", NETUID],
        lambda wallets, state, _, output: raw_hyperparameter(document(output), "immunity_period") == 77),
    cli("subnets", ["sudo", "get", "--netuid", NETUID],
        lambda wallets, state, _, output: next(entry["value"] for entry in document(output)
                                               if entry["hyperparameter"] == "immunity_period") == 77, prompts=False),
    sdk("subnets", ["subnets", "metagraph", NETUID],
        lambda wallets, state, _, output: wallets.hot("carol") in output and wallets.hot("dan") in output),
    sdk("stake", lambda wallets: ["stake", "add", "--hotkey", wallets.hot("carol"), "--netuid", NETUID, "--amount", 20],
        lambda wallets, state, before, _: about(state("stake", wallets.hot("carol"), wallets.cold("carol"), NETUID),
                                                20 * ALPHA, 0.05), asks=True, wallet="carol"),
    cli("stake", ["stake", "add", "--netuid", NETUID, "--amount", 15, "--tolerance", 0.1, "--no-mev-protection"],
        lambda wallets, state, before, _: about(stake_of("dan")(wallets, state) - before, 15 * ALPHA, 0.1),
        wallet="dan", before=stake_of("dan")),
    cli("stake", ["stake", "add", "--netuid", NETUID, "--amount", 5, "--unsafe", "--no-mev-protection"],
        lambda wallets, state, before, _: about(stake_of("dan")(wallets, state) - before, 5 * ALPHA, 0.1),
        wallet="dan", before=stake_of("dan")),
    sdk("stake", ["stake", "list"],
        lambda wallets, state, _, output: document(output)[0]["stake_amount"] * ALPHA
        == stake_of("carol")(wallets, state), wallet="carol"),
    cli("stake", ["stake", "list"],
        lambda wallets, state, _, output: about(document(output)["stake_info"][wallets.hot("dan")][0]["stake_value"]
                                                * ALPHA, stake_of("dan")(wallets, state)), wallet="dan"),
    sdk("stake", lambda wallets: ["stake", "remove", "--hotkey", wallets.hot("carol"), "--netuid", NETUID,
                                  "--amount", 4],
        lambda wallets, state, before, _: before - stake_of("carol")(wallets, state) == 4 * ALPHA,
        asks=True, wallet="carol", before=stake_of("carol")),
    cli("stake", lambda wallets: ["stake", "remove", "--netuid", NETUID, "--amount", 3, "--hotkey-ss58-address",
                                  wallets.hot("dan"), "--unsafe", "--no-mev-protection"],
        lambda wallets, state, before, _: before - stake_of("dan")(wallets, state) == 3 * ALPHA,
        wallet="dan", before=stake_of("dan")),
    sdk("wallet", ["wallet", "overview"],
        lambda wallets, state, _, output: [stake["uid"] for stake in document(output)[0]["stakes"]] == [1],
        wallet="carol"),
    cli("wallet", ["wallet", "overview"],
        lambda wallets, state, _, output: document(output)["subnets"][0]["neurons"][0]["uid"] == 2,
        wallet="dan", prompts=False),
    sdk("wallet", ["wallet", "set-identity", "--name", "Carol"],
        lambda wallets, state, *_: state("name", wallets.cold("carol")) == "Carol", asks=True, wallet="carol"),
    sdk("weights", ["weights", "set", "--netuid", NETUID, "--uids", "1", "--weights", "1"],
        lambda wallets, state, *_: [1, [[1, 65535]]] in state("weights", NETUID, 0), asks=True, wallet="carol"),
    cli("subnets", ["subnets", "show", "--netuid", NETUID],
        lambda wallets, state, _, output: wallets.hot("dan") in [entry["hotkey"] for entry in document(output)["uids"]]),
    sdk("stake", lambda wallets: ["stake", "child", "set", "--netuid", NETUID, "--children",
                                  f'[[0.5,"{wallets.hot("bob")}"]]'],
        lambda wallets, state, *_: [(child, about(part, 2**63)) for part, child
                                    in state("children", wallets.hot("carol"), NETUID)] == [(wallets.hot("bob"), True)], wallet="carol", asks=True),
    sdk("stake", ["sudo", "set-take", "--take", "0.1"],
        lambda wallets, state, *_: about(state("take", wallets.hot("carol")), 6553.5), wallet="carol", asks=True),
    sdk("stake", lambda wallets: ["stake", "move", "--origin-hotkey", wallets.hot("carol"), "--origin-netuid", NETUID,
                                  "--dest-hotkey", wallets.hot("bob"), "--dest-netuid", NETUID, "--amount", 2],
        lambda wallets, state, *_: state("stake", wallets.hot("bob"), wallets.cold("carol"), NETUID) == 2 * ALPHA,
        wallet="carol", asks=True),
    cli("stake", lambda wallets: ["stake", "move", "--origin-netuid", NETUID, "--dest-netuid", NETUID, "--from",
                                  wallets.hot("dan"), "--to", wallets.hot("bob"), "--amount", 2, "--no-mev-protection"],
        lambda wallets, state, *_: state("stake", wallets.hot("bob"), wallets.cold("dan"), NETUID) == 2 * ALPHA,
        wallet="dan", hotkey=False),
    library("library", "client.subnets.metagraph(1)",
            "graph = await client.subnets.metagraph(1)\nprint(json.dumps([str(key) for key in graph.hotkeys]))",
            lambda wallets, state, _, output: document(output)
            == [wallets.hot("bob"), wallets.hot("carol"), wallets.hot("dan")]),
]
