"""What the test of clients stands on: a chain, this project's reader of it, and the clients' environments."""

import json
import os
import pathlib
import re
import subprocess
import venv

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


class Chain:
    """`localnet chain`, ended when the block is left."""

    def __init__(self, localnet: str):
        self.command = [localnet, "chain", "--block-time", "250ms"]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if line.startswith("rpc"):
                self.url = line.split()[1]
                return self
        raise SystemExit("clients: the chain did not start")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)


class State:
    """Asks the chain through this project's client."""

    def __init__(self, program: str, url: str):
        self.command = [program, url]

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
    """One of Bittensor's packages: its `btcli`, and its library in a process of its own."""

    def __init__(self, python: pathlib.Path, url: str, work: pathlib.Path):
        self.python, self.url, self.work = python, url, work
        self.wallets = work / "wallets"
        # Neither may find the user's own configuration, nor write to it.
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(work), "COLUMNS": "20000", "NO_COLOR": "1"}

    def btcli(self, *words, answers: str = ""):
        """Runs a command of `btcli`; (status, what it printed)."""
        return self._run([self.python.parent / "btcli", *map(str, words)], answers)

    def library(self, code: str):
        """Runs Python that imports the library; (status, what it printed)."""
        return self._run([self.python, "-c", code], "")

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
