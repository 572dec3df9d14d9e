"""A command of a client: how it is run, what must come of it on the chain, and where it differs, and why."""

import collections
import dataclasses
import json
import shlex
import time
import typing

ALPHA = 10**9
TAO = 10**9


@dataclasses.dataclass
class Result:
    """What came of a case."""

    case: "Case"
    as_expected: bool
    seen: str
    again: bool = False
    """Whether it took a second try."""

    def word(self) -> str:
        if not self.as_expected:
            return "FAILED"
        return "works" if self.case.differs is None else "differs"

    def line(self) -> str:
        note = {"works": "", "differs": f": {self.case.differs}", "FAILED": f": {self.seen}"}[self.word()]
        return f"{self.case.client} {self.word():<8} {self.case.shown}{note}"

    def row(self) -> str:
        version = {"sdk": "11.3", "cli": "9.23", "ours": "ours"}[self.case.client]
        word = "works" if self.case.differs is None else f"differs: {self.case.differs}"
        return f"| {self.case.what} | {version} | `{self.case.shown}` | {word} |\n"


@dataclasses.dataclass
class Case:
    """One command of one client."""

    what: str
    client: str
    shown: str
    """The command as the table shows it."""
    act: typing.Callable
    """Runs it: (client, wallets) to (status, what it printed)."""
    check: typing.Callable
    """Whether what was meant is so: (wallets, state, output before, output) to a truth value."""
    before: typing.Callable = lambda wallets, state: None
    """What the chain held before, for `check`."""
    differs: typing.Optional[str] = None
    """Why it does not work as on Bittensor's chain, where that is known; `check` then holds the reason."""

    def run(self, clients, wallets, state) -> Result:
        client = clients[self.client]
        status, output = None, ""
        try:
            earlier = self.before(wallets, state)
            status, output = self.act(client, wallets)
            # Where a client refuses what it is known to refuse, it exits with a failure.
            works = (status == 0 or self.differs is not None) and bool(self.check(wallets, state, earlier, output))
        except (OSError, ValueError, LookupError, TypeError, StopIteration) as error:
            works, output = False, f"{type(error).__name__} {error}: {output}"
        return Result(self, works, f"status {status}: {' '.join(output.split())[-400:]}")


class Wallets:
    """Addresses of the wallets that the clients made, and notes that one case takes for a later one."""

    def __init__(self, folder):
        self.folder = folder
        self.notes = {}

    def note(self, name: str, value):
        """Keeps a value that a check found."""
        self.notes[name] = value
        return value

    def cold(self, name: str) -> str:
        return json.loads((self.folder / name / "coldkeypub.txt").read_text())["ss58Address"]

    def public(self, name: str) -> str:
        return json.loads((self.folder / name / "coldkeypub.txt").read_text())["publicKey"]

    def hot(self, name: str, hotkey: str = "default") -> str:
        return json.loads((self.folder / name / "hotkeys" / hotkey).read_text())["ss58Address"]


def document(output: str):
    """The JSON in what a client printed, warnings before it passed over. 9.23 breaks long lines: inside strings too."""
    start = min(place for place in (output.find("{"), output.find("[")) if place >= 0)
    return json.JSONDecoder(strict=False).raw_decode(output[start:].replace("\n", " "))[0]


def sdk(what, words, check, wallet=None, hotkey=True, chain=True, asks=False, before=lambda wallets, state: None, differs=None):
    """A command of 11.3's `btcli`."""

    def act(client, wallets):
        words_now = words(wallets) if callable(words) else words
        extra = ["-n", client.url] if chain else []
        if wallet:
            extra += ["-w", wallet, *(["-H", "default"] if hotkey else [])]
        return client.btcli(*words_now, *extra, "--wallet-path", client.wallets, "--json", *(["-y"] if asks else []))

    shown = words if not callable(words) else words(Placeholders())
    return Case(what, "sdk", "btcli " + shlex.join(map(str, shown)), act, check, before, differs)


def cli(what, words, check, wallet=None, chain=True, prompts=True, hotkey=True, json=True, answers="",
        before=lambda wallets, state: None, differs=None):
    """A command of 9.23's `btcli`. Not every one takes a wallet's hotkey, prompts, or prints JSON."""

    def act(client, wallets):
        words_now = words(wallets) if callable(words) else words
        extra = ["--network", client.url] if chain else []
        if wallet:
            extra += ["--wallet-name", wallet, "--wallet-path", client.wallets]
            extra += ["--hotkey", "default"] if hotkey else []
        return client.btcli(*words_now, *extra, *(["--json-output"] if json else []), *(["-y"] if prompts else []),
                            answers=answers)

    shown = words if not callable(words) else words(Placeholders())
    return Case(what, "cli", "btcli " + shlex.join(map(str, shown)), act, check, before, differs)


def ours(what, program, words, check, before=lambda wallets, state: None):
    """A step that this project's own client does for the others: `words` takes wallets and the endpoint."""

    def act(client, wallets):
        return client.run(program, *words(wallets, client.url))

    shown = f"{program.replace('_', '-')} {shlex.join(map(str, words(Placeholders(), 'URL')))}"
    return Case(what, "ours", shown, act, check, before)


def advance(netuid, *words):
    """Makes blocks at once, instead of waiting for them."""
    return ours("time", "localnet", lambda _, url: ["advance", *words, "--netuid", netuid, "-n", url], lambda *_: True)


def root(what, call, arguments, check=lambda *_: True):
    """Any call by its name, by root, whose wallet is alice's: 11.3 has a command for that."""
    return sdk(what, ["call", call, "--args", json.dumps(arguments), "--sudo"],
               lambda wallets, state, before, output: document(output)["success"] is True
               and check(wallets, state, before, output), wallet="alice", asks=True)


def library(what, shown, code, check, before=lambda wallets, state: None, differs=None):
    """A few lines against 11.3's library. `code` knows `client`, `wallet(NAME)` and prints one JSON document."""

    def act(client, wallets):
        head = (
            "import asyncio, json\nimport bittensor as bt\n"
            f"def wallet(name): return bt.Wallet(name=name, hotkey='default', path={str(client.wallets)!r})\n"
            f"url = {client.url!r}\nasync def main():\n    async with bt.Client(url) as client:\n"
        )
        body = "".join(f"        {line}\n" for line in code.strip().splitlines())
        return client.library(head + body + "asyncio.run(main())\n")

    return Case(what, "sdk", shown, act, check, before, differs)


class Placeholders:
    """Stands for wallets where a command is shown."""

    def cold(self, name):
        return f"COLDKEY_{name.upper()}"

    def public(self, name):
        return f"PUBLIC_{name.upper()}"

    def hot(self, name, _hotkey="default"):
        return f"HOTKEY_{name.upper()}"

    @property
    def folder(self):
        return "WALLETS"

    @property
    def notes(self):
        return collections.defaultdict(lambda: "…")


def raw_hyperparameter(shown, name):
    """One value of what 11.3 lists, however it wraps it."""
    if isinstance(shown, list):
        shown = {entry.get("name", entry.get("hyperparameter")): entry for entry in shown}
    value = shown.get("hyperparameters", shown)[name]
    return value.get("raw", value.get("value")) if isinstance(value, dict) else value


def about(got, wanted, part=0.01):
    """Equal but for fees and slippage."""
    return abs(got - wanted) <= part * abs(wanted)


def falls(before, got, after):
    """In its place in a price's fall, however long the client took; clients print TAO as floats."""
    return after - 1 <= got <= before + 1


def until(holds, seconds=20):
    """Whether something comes true in time: not every command waits for its block."""
    for _ in range(seconds * 4):
        if holds():
            return True
        time.sleep(0.25)
    return False
