"""Whether wallets go back and forth between `keys` and Bittensor's own Python packages.

Every combination of maker, role, scheme, encryption and length: a wallet made by one is listed, opened and signed with by
the other, and each verifies what the other signed. The packages come from PyPI into virtual environments; where PyPI is
not reachable, their combinations are counted as skipped. Where it is, a package that cannot be installed is a failure.

    wallets.py KEYS_BINARY ENVIRONMENTS_DIRECTORY
"""

import itertools
import json
import os
import pathlib
import queue
import subprocess
import sys
import tempfile
import traceback
import venv
from concurrent.futures import ThreadPoolExecutor

HERE = pathlib.Path(__file__).parent
PACKAGES = {"bittensor-wallet": "4.1.*", "bittensor": "11.3.*"}
OURS = "keys"

ROLES = ("coldkey", "hotkey")
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


class Unreachable(Exception):
    """There is no PyPI to install from."""


def install(package, version, environments):
    """The Python of a virtual environment with the package."""
    folder = environments / f"{package}-{version.replace('*', 'x')}"
    python = folder / "bin" / "python"
    installed = folder / "installed"
    if installed.exists():
        return python
    venv.create(folder, with_pip=True, clear=True)
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    pip = subprocess.run([python, "-m", "pip", "install", *quiet, f"{package}=={version}"], stdin=subprocess.DEVNULL)
    if pip.returncode != 0:
        # Whether that is PyPI's doing: what certainly is on it can be had, or not.
        probe = ["download", *quiet, "--no-deps", "--retries", "1", "--dest", folder / "probe", "pip"]
        if subprocess.run([python, "-m", "pip", *probe], stdin=subprocess.DEVNULL).returncode != 0:
            raise Unreachable
        raise Failed(f"PyPI is reachable, and {package} {version} cannot be installed from it")
    installed.touch()
    return python


class Official:
    """One of the packages, in processes that answer orders: one for each worker, so that nobody waits for another's."""

    def __init__(self, package, version, environments):
        self.name = package
        command = [install(package, version, environments), HERE / "official.py"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        self.processes = [subprocess.Popen(command, **pipes) for _ in range(WORKERS)]
        self.idle = queue.SimpleQueue()
        for process in self.processes:
            self.idle.put(process)

    def __call__(self, do, **order):
        process = self.idle.get()
        try:
            process.stdin.write(json.dumps({"do": do, **order}) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        finally:
            self.idle.put(process)
        check(line, f"{self.name} died over {do} {order}")
        answer = json.loads(line)
        check("error" not in answer, f"{self.name} {do}: {answer.get('error')}")
        return answer

    def close(self):
        for process in self.processes:
            process.stdin.close()
            process.wait()


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


def agree(ours, packages, wallet, role, scheme, password):
    """All show the same address, all sign, and `keys` and each package verify each other's signatures."""
    order = {"path": str(ours.root), "wallet": wallet, "hotkey": HOTKEY, "role": role, "password": password}
    ss58, shown_scheme, storage = ours.address(wallet, role)
    check(shown_scheme == scheme, f"made in {scheme}, shown as {shown_scheme}")
    check(storage == ("encrypted" if password else "plain"), f"shown as {storage}")
    mine = ours.sign(wallet, role, password)
    check(mine["ss58"] == ss58, "keys opens another key")
    signature = mine["signature"].removeprefix("0x")
    for package in packages:
        check(package("show", **order)["ss58"] == ss58, f"{package.name} shows another address")
        theirs = package("sign", message=MESSAGE, **order)
        check(theirs["ss58"] == ss58, f"{package.name} opens another key")
        valid = ours.verify(wallet, ss58, theirs["signature"])["valid"]
        check(valid, f"the signature of {package.name} does not hold here")
        verified = package("verify", ss58=ss58, scheme=scheme, message=MESSAGE, signature=signature)
        check(verified["valid"], f"our signature does not hold in {package.name}")


def made_here(ours, packages, wallet, role, scheme, encrypted, words):
    """Made by `keys`, used by the packages."""
    flags = ["--password-fd", "0"] if encrypted and role == "coldkey" else ["--no-password"]
    flags += ["--hotkey-password-fd", "0"] if encrypted and role == "hotkey" else []
    made = ours("new", "--words", str(words), "--crypto-type", scheme, *flags, wallet=wallet, secret=PASSWORD)
    check(all(len(key["mnemonic"].split()) == words for key in made["made"]), "another number of words")
    agree(ours, packages, wallet, role, scheme, PASSWORD if encrypted else None)


def made_there(ours, package, wallet, role, scheme, encrypted, words):
    """Made by a package, used by `keys`."""
    password = PASSWORD if encrypted else None
    order = {"path": str(ours.root), "wallet": wallet, "hotkey": HOTKEY, "role": role}
    package("make", scheme=scheme, words=words, password=password, **order)
    agree(ours, [package], wallet, role, scheme, password)


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
    regen = ["regen", role, "--from", "seed", "--secret-fd", "0", "--crypto-type", scheme, *no_password]
    ours(*regen, wallet=again, secret=seed)
    agree(ours, [package], again, role, scheme, None)


def remembered(ours, package, wallet, role):
    """A password that a client put into the environment is found there."""
    flags = ["--password-fd", "0"] if role == "coldkey" else ["--no-password", "--hotkey-password-fd", "0"]
    ours("new", *flags, wallet=wallet, secret=PASSWORD)
    order = {"path": str(ours.root), "wallet": wallet, "hotkey": HOTKEY, "role": role}
    variables = package("remember", password=PASSWORD, **order)["variables"]
    check(variables, "nothing was remembered")
    ours.sign(wallet, role, PASSWORD, variables=variables)


def cases(ours, packages):
    """What is tried: a title, the packages that it needs, and the trial."""
    for role, scheme, encrypted, words in itertools.product(ROLES, SCHEMES, (False, True), WORDS):
        title = f"{role} {scheme} {'encrypted' if encrypted else 'plain'} {words} words"
        wallet = title.replace(" ", "-")
        key = (role, scheme, encrypted, words)
        for name in PACKAGES:
            trial = (made_there, ours, packages.get(name), f"{name}-{wallet}", *key)
            yield f"made by {name}: {title}", [name], trial
        yield f"made by {OURS}: {title}", list(PACKAGES), (made_here, ours, packages.values(), f"{OURS}-{wallet}", *key)
    for name, role, scheme, seed in itertools.product(PACKAGES, ROLES, SCHEMES, SEEDS):
        trial = (regenerated, ours, packages.get(name), f"{name}-seed-{role}-{scheme}-{seed[:4]}", role, scheme, seed)
        yield f"regenerated by {name}: {role} {scheme} seed {seed[:4]}…", [name], trial
    for name, role in itertools.product(PACKAGES, ROLES):
        yield f"password of the {role} remembered by {name}", [name], (
            remembered, ours, packages.get(name), f"{name}-env-{role}", role,
        )


def start(environments):
    """The packages; without PyPI as `None`."""
    packages = {}
    for name, version in PACKAGES.items():
        try:
            packages[name] = Official(name, version, environments)
        except Unreachable:
            print(f"wallets: {name} {version} cannot be had, PyPI is not reachable", file=sys.stderr)
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
    environments.mkdir(parents=True, exist_ok=True)
    try:
        packages = start(environments)
    except Failed as failed:
        sys.exit(f"wallets: {failed}")
    with tempfile.TemporaryDirectory() as root:
        ours = Ours(binary.resolve(), pathlib.Path(root))
        wanted, skipped = [], 0
        for title, needed, trial in cases(ours, packages):
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
