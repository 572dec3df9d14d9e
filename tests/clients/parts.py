"""What the test of clients stands on: a chain, this project's reader of it, and the clients' environments."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import venv

import wallet_cases

TIMEOUT_SECS = 180
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def install(folder: pathlib.Path, package: str):
    """A virtual environment with one package; `None` where PyPI is out of reach. Written last is what says it is whole."""
    done = folder / "installed"
    if not (done.exists() and done.read_text() == package):
        venv.create(folder, with_pip=True, clear=True)
        pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package]
        if subprocess.run(pip).returncode != 0:
            probe = [*pip[:-1], "--dry-run", "--no-deps", "--force-reinstall", "six"]
            if subprocess.run(probe, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
                raise SystemExit(f"clients: PyPI is there, but {package} cannot be installed")
            return None
        done.write_text(package)
    return folder / "bin" / "python"


class Ground:
    """A `localnet` that runs until the block is left."""

    arguments: list

    def __init__(self, programs: pathlib.Path):
        self.localnet = programs / "localnet"

    def __enter__(self):
        self.process = subprocess.Popen([self.localnet, *self.arguments], stdout=subprocess.PIPE, text=True)
        self.said = {}
        for line in self.process.stdout:
            word, _, rest = line.strip().partition(" ")
            self.said[word] = rest.split()[0] if rest.split() else ""
            if word == self.last_word:
                # Somebody must read on, or the program would wait for it.
                threading.Thread(target=self.process.stdout.read, daemon=True).start()
                return self
        raise SystemExit(f"clients: {self.name} did not start")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def url(self) -> str:
        return self.said["rpc"]


class Chain(Ground):
    """`localnet chain`: the chain alone, where alpha has a price."""

    name = "chain"
    arguments = ["chain", "--block-time", "250ms"]
    last_word = "rpc"
    stake = 20
    """What moves the price of a new pool within what the clients allow."""

    def alice(self, _wallets):
        """Who is rich is //Alice: a client makes her wallet."""
        return wallet_cases.alice()


class Subnet(Ground):
    """`localnet up`: two miners and a validator train meanwhile in subnet 1."""

    name = "up"
    arguments = ["up", "--miners", "2", "--validators", "1", "--stages", "2", "--adversary", "none"]
    last_word = "THESE"
    stake = 6_000
    """More than `localnet up` demands of validators."""

    def alice(self, wallets):
        """Who is rich is root, whose wallet `localnet` wrote in the layout that the clients know."""
        shutil.copytree(pathlib.Path(self.said["wallets"]) / "root", wallets / "alice")
        return []


class State:
    """Asks the chain through this project's client."""

    def __init__(self, programs: pathlib.Path, url: str):
        self.command = [programs / "examples" / "chain_state", url]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(timeout=30)

    def __call__(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"clients: no answer to {words}")
        return json.loads(line)


class Client:
    """One of Bittensor's packages: its `btcli`, and its library in a process of its own. And this project's programs."""

    def __init__(self, python: pathlib.Path, programs: pathlib.Path, url: str, work: pathlib.Path):
        self.python, self.programs, self.url, self.work = python, programs, url, work
        self.wallets = work / "wallets"
        # Neither may find the user's own configuration, nor write to it.
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(work), "COLUMNS": "20000", "NO_COLOR": "1"}

    def btcli(self, *words, answers: str = ""):
        """Runs a command of `btcli`; (status, what it printed)."""
        return self._run([self.python.parent / "btcli", *map(str, words)], answers)

    def library(self, code: str):
        """Runs Python that imports the library; (status, what it printed)."""
        return self._run([self.python, "-c", code], "")

    def run(self, program: str, *words):
        """Runs a program of this project's; (status, what it printed)."""
        folder = self.programs if program == "localnet" else self.programs / "examples"
        return self._run([folder / program, *map(str, words)], "")

    def _run(self, command, answers):
        try:
            done = subprocess.run(
                command,
                input=answers,
                env=self.environment,
                cwd=self.work,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=TIMEOUT_SECS,
            )
        except subprocess.TimeoutExpired as late:
            return 124, f"no end after {TIMEOUT_SECS} s: {late.stdout}"
        return done.returncode, ANSI.sub("", done.stdout)
