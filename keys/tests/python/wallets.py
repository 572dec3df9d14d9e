"""Whether wallets go back and forth between `keys` and Bittensor's own Python packages.

Every combination of maker, role, scheme, encryption and length: a wallet made by one is listed, opened and signed with by
the other, and each verifies what the other signed. The packages come from PyPI into virtual environments; where they
cannot be had, their combinations are counted as skipped.

    wallets.py KEYS_BINARY ENVIRONMENTS_DIRECTORY
"""

import itertools
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import traceback
import venv
from concurrent.futures import ThreadPoolExecutor

HERE = pathlib.Path(__file__).parent
PACKAGES = {"bittensor-wallet": "4.1.*", "bittensor": "11.3.*"}
OURS = "keys"

SCHEMES = ("sr25519", "ed25519")
WORDS = (12, 15, 18, 21, 24)
PASSWORD = "Grünkohl-42 & a gate"
HOTKEY = "h"
MESSAGE = "signed by one, verified by the other"
# Seeds whose bytes are text: 4.1 writes them as that text.
SEEDS = ("9f" * 32, "11" * 32, "c3a9" * 16)
# Each password takes half a gibibyte and a core for seconds.
WORKERS = 2


class Failed(Exception):
    """The two do not agree."""


def check(held, what):
    if not held:
        raise Failed(what)


class Official:
    """One of the packages, in a process that answers orders."""

    def __init__(self, package, version, environments):
        self.name = package
        folder = environments / f"{package}-{version.replace('*', 'x')}"
        python = folder / "bin" / "python"
        installed = folder / "installed"
        if not installed.exists():
            venv.create(folder, with_pip=True, clear=True)
            pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{package}=={version}"]
            subprocess.run(pip, check=True, stdin=subprocess.DEVNULL)
            installed.touch()
        self.lock = threading.Lock()
        self.process = subprocess.Popen(
            [python, HERE / "official.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True,
        )

    def __call__(self, do, **order):
        with self.lock:
            self.process.stdin.write(json.dumps({"do": do, **order}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        check(line, f"{self.name} died over {do} {order}")
        answer = json.loads(line)
        check("error" not in answer, f"{self.name} {do}: {answer.get('error')}")
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Ours:
    """The binary."""

    def __init__(self, binary, root):
        self.binary, self.root = binary, root

    def __call__(self, *arguments, wallet, hotkey=HOTKEY, secret="", variables=None):
        command = [self.binary, *arguments, "--json", "-w", wallet, "--wallet-path", self.root]
        command += ["-H", hotkey] if hotkey else []
        environment = {"PATH": os.environ["PATH"], **(variables or {})}
        run = subprocess.run(command, input=secret, capture_output=True, text=True, env=environment)
        check(run.returncode == 0, f"keys {' '.join(arguments)}: {run.stderr.strip()} {run.stdout.strip()}")
        return json.loads(run.stdout)

    def sign(self, wallet, role, password, variables=None):
        arguments = ["sign", MESSAGE]
        arguments += ["--use-hotkey"] if role == "hotkey" else []
        arguments += ["--password-fd", "0"] if password and not variables else []
        return self(*arguments, wallet=wallet, secret=password or "", variables=variables)

    def verify(self, wallet, ss58, signature):
        return self("verify", MESSAGE, "--signature", signature, "--ss58", ss58, wallet=wallet)

    def address(self, wallet, role):
        shown = self("show", wallet=wallet, hotkey=None)
        key = shown["coldkey"] if role == "coldkey" else shown["hotkeys"][0]
        check("problem" not in key, f"keys show: {key.get('problem')}")
        return key["ss58"], key["crypto_type"], key["storage"]


def agree(ours, official, wallet, role, scheme, password):
    """Both show the same address, both sign, and each verifies the other's signature."""
    order = {"path": str(ours.root), "wallet": wallet, "hotkey": HOTKEY, "role": role, "password": password}
    ss58, shown_scheme, storage = ours.address(wallet, role)
    check(shown_scheme == scheme, f"made in {scheme}, shown as {shown_scheme}")
    check(storage == ("encrypted" if password else "plain"), f"shown as {storage}")
    check(official("show", **order)["ss58"] == ss58, "the two show different addresses")
    theirs = official("sign", message=MESSAGE, **order)
    check(theirs["ss58"] == ss58, "they open another key")
    check(ours.verify(wallet, ss58, theirs["signature"])["valid"], "their signature does not hold here")
    mine = ours.sign(wallet, role, password)
    check(mine["ss58"] == ss58, "keys opens another key")
    signature = mine["signature"].removeprefix("0x")
    verified = official("verify", ss58=ss58, scheme=scheme, message=MESSAGE, signature=signature)
    check(verified["valid"], "our signature does not hold there")


def made_here(ours, packages, wallet, role, scheme, encrypted, words):
    """Made by `keys`, used by the packages."""
    password = PASSWORD if encrypted else None
    cold = ["--password-fd", "0"] if encrypted and role == "coldkey" else ["--no-password"]
    made = ours("new", "--words", str(words), "--crypto-type", scheme, *cold, wallet=wallet, secret=PASSWORD)
    check(all(len(key["mnemonic"].split()) == words for key in made["made"]), "another number of words")
    if encrypted and role == "hotkey":
        ours("passwd", "--use-hotkey", "--new-password-fd", "0", "--yes", wallet=wallet, secret=PASSWORD)
    for package in packages:
        agree(ours, package, wallet, role, scheme, password)


def made_there(ours, package, wallet, role, scheme, encrypted, words):
    """Made by a package, used by `keys`."""
    password = PASSWORD if encrypted else None
    order = {"path": str(ours.root), "wallet": wallet, "hotkey": HOTKEY, "role": role}
    package("make", scheme=scheme, words=words, password=password, **order)
    agree(ours, package, wallet, role, scheme, password)


def regenerated(ours, package, wallet, role, scheme, seed):
    """The same seed makes the same key, and a file that either made is read by the other."""
    order = {"path": str(ours.root), "wallet": wallet, "hotkey": HOTKEY, "role": role}
    there = package("regenerate", source={"seed": f"0x{seed}"}, scheme=scheme, **order)
    check(ours.address(wallet, role)[0] == there["ss58"], "keys reads another key")
    mine = ours.sign(wallet, role, None)
    valid = package("verify", ss58=there["ss58"], scheme=scheme, message=MESSAGE, signature=mine["signature"][2:])
    check(valid["valid"], "our signature does not hold there")
    no_password = ["--no-password"] if role == "coldkey" else []
    again = f"{wallet}-again"
    ours("regen", role, "--from", "seed", "--secret-fd", "0", "--crypto-type", scheme, *no_password, wallet=again, secret=seed)
    agree(ours, package, again, role, scheme, None)


def remembered(ours, package, wallet):
    """A password that a client put into the environment is found there."""
    ours("new", "--password-fd", "0", wallet=wallet, secret=PASSWORD)
    order = {"path": str(ours.root), "wallet": wallet, "hotkey": HOTKEY, "role": "coldkey"}
    variables = package("remember", password=PASSWORD, **order)["variables"]
    ours.sign(wallet, "coldkey", PASSWORD, variables=variables)


def combinations(every):
    """Every role, scheme, encryption and length. Hotkeys are seldom encrypted: without `every`, one length does for those."""
    for role, scheme, encrypted, words in itertools.product(("coldkey", "hotkey"), SCHEMES, (False, True), WORDS):
        if every or role == "coldkey" or not encrypted or words == WORDS[0]:
            yield role, scheme, encrypted, words


def cases(ours, packages, every):
    """What is tried: a title, the packages that it needs, and the trial."""
    for role, scheme, encrypted, words in combinations(every):
        title = f"{role} {scheme} {'encrypted' if encrypted else 'plain'} {words} words"
        wallet = title.replace(" ", "-")
        for name in PACKAGES:
            trial = (made_there, ours, packages.get(name), f"{name}-{wallet}", role, scheme, encrypted, words)
            yield f"made by {name}: {title}", [name], trial
        there = [package for package in packages.values() if package]
        yield f"made by {OURS}: {title}", list(PACKAGES), (made_here, ours, there, f"{OURS}-{wallet}", role, scheme, encrypted, words)
    for name, role, scheme, seed in itertools.product(PACKAGES, ("coldkey", "hotkey"), SCHEMES, SEEDS):
        trial = (regenerated, ours, packages.get(name), f"{name}-seed-{role}-{scheme}-{seed[:4]}", role, scheme, seed)
        yield f"regenerated by {name}: {role} {scheme} seed {seed[:4]}…", [name], trial
    for name in PACKAGES:
        yield f"password remembered by {name}", [name], (remembered, ours, packages.get(name), f"{name}-env")


def start(environments):
    """The packages that can be had; the others as `None`."""
    packages = {}
    for name, version in PACKAGES.items():
        try:
            packages[name] = Official(name, version, environments)
        except (subprocess.CalledProcessError, OSError) as error:
            print(f"wallets: {name} {version} cannot be had: {error}", file=sys.stderr)
            packages[name] = None
    return packages


def run(title, trial):
    """Whether it held."""
    try:
        trial[0](*trial[1:])
        return True
    except Failed as failed:
        print(f"FAILED {title}: {failed}", flush=True)
    except Exception:
        print(f"FAILED {title}: {traceback.format_exc()}", flush=True)
    return False


def main():
    binary, environments = map(pathlib.Path, sys.argv[1:3])
    every = "--every" in sys.argv[3:]
    environments.mkdir(parents=True, exist_ok=True)
    packages = start(environments)
    with tempfile.TemporaryDirectory() as root:
        ours = Ours(binary.resolve(), pathlib.Path(root))
        wanted, skipped = [], 0
        for title, needed, trial in cases(ours, packages, every):
            if all(packages[name] for name in needed):
                wanted.append((title, trial))
            else:
                skipped += 1
        with ThreadPoolExecutor(WORKERS) as pool:
            held = list(pool.map(lambda case: run(*case), wanted))
    for package in filter(None, packages.values()):
        package.close()
    print(f"wallets: {sum(held)} passed, {len(held) - sum(held)} failed, {skipped} skipped")
    sys.exit(0 if all(held) else 1)


if __name__ == "__main__":
    main()
