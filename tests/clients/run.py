"""Bittensor's own clients, unmodified, against a localnet.

    run.py PROGRAMS VENVS [--write]   (`make test-clients`)

Installs `bittensor` and `bittensor-cli` of the versions below from PyPI, each into a virtual environment of its own
(both own the command `btcli`), and runs commands of theirs twice, at once: against `localnet chain`, where alpha has a price, and
against `localnet up`, where miners and validators are at work meanwhile. What a command changes is read back from the
chain with this project's own client and compared, and so is what it prints. The table in docs/clients.md is made by this;
`--write` writes it, without it the test checks that it is still true. Without PyPI everything is skipped, and said so.
"""

import concurrent.futures
import dataclasses
import pathlib
import shutil
import sys
import tempfile

import account_cases
import library_cases
import stake_cases
import subnet_cases
import wallet_cases
import weight_cases
from cases import Wallets
from parts import Chain, Client, State, Subnet, install

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parent.parent / "docs" / "clients.md"
BEGIN, END = "<!-- made by `make test-clients` -->\n", "<!-- end -->"
MOST_AGAIN = 3
"""So many commands may need a second try, in both rounds together."""
VERSIONS = {"sdk": "bittensor==11.3.0", "cli": "bittensor-cli==9.23.2"}


def cases(netuid, stake):
    """All of them, in an order in which each finds what it needs; the clients make the subnets `netuid` and the next."""
    other = netuid + 1
    return [
        *wallet_cases.keys(),
        *wallet_cases.money(),
        *subnet_cases.making(netuid, other),
        *subnet_cases.joining(netuid),
        *(subnet_cases.registration(one, False) for one in (netuid, other)),
        *subnet_cases.hyperparameters(netuid),
        *subnet_cases.shown(netuid),
        *stake_cases.cases(netuid, other, stake),
        *wallet_cases.on_chain(netuid),
        *weight_cases.cases(netuid),
        *stake_cases.relations(netuid),
        *library_cases.cases(netuid),
        *account_cases.proxies(),
        *account_cases.multisigs(),
        *subnet_cases.proving(netuid),
        *stake_cases.leaving(netuid),
        *account_cases.swaps(netuid),
        *subnet_cases.ending(other),
    ]


def run(ground, programs, pythons, netuid):
    """Runs the cases on a chain; their results, in order."""
    results = []
    work = pathlib.Path(tempfile.mkdtemp(prefix="clients-"))
    try:
        with ground as chain, State(programs, chain.url) as state:
            clients = {name: Client(python, programs, chain.url, work) for name, python in pythons.items()}
            wallets = Wallets(work / "wallets")
            for case in [*chain.alice(wallets.folder), *cases(netuid, ground.stake)]:
                result = case.run(clients, wallets, state)
                print(f"{ground.name}: {result.line()}", flush=True)
                if not result.as_expected:
                    # A client gives up on what was not in a block soon, which happens where the machine is busy.
                    result = dataclasses.replace(case.run(clients, wallets, state), again=True)
                    print(f"{ground.name}: again: {result.line()}", flush=True)
                results.append(result)
    finally:
        shutil.rmtree(work)
    return results


def main() -> int:
    programs, venvs = map(pathlib.Path, sys.argv[1:3])
    write = "--write" in sys.argv[3:]
    pythons = {name: install(venvs / name, package) for name, package in VERSIONS.items()}
    if not all(pythons.values()):
        print(f"clients: {2 * len(cases(1, 0))} skipped, PyPI is not reachable")
        return 0
    pythons["ours"] = None
    # Both at once: each waits for its blocks most of the time.
    with concurrent.futures.ThreadPoolExecutor() as pool:
        alone = pool.submit(run, Chain(programs), programs, pythons, 1)
        beside = pool.submit(run, Subnet(programs), programs, pythons, 2)
        rows, beside = alone.result(), beside.result()
    # Once more at the end, where they are not looked for among the hundreds that hold.
    wrong = 0
    for ground, results in (("chain", rows), ("up", beside)):
        for result in results:
            if not result.as_expected:
                print(f"clients: not as expected: {ground}: {result.line()}")
                wrong += 1
    again = sum(row.again for row in [*rows, *beside])
    if again > MOST_AGAIN:
        print(f"clients: {again} commands needed a second try, of which {MOST_AGAIN} may")
        wrong += 1
    table = "| what | client | command | |\n|---|---|---|---|\n" + "".join(row.row() for row in rows)
    page = PAGE.read_text()
    head, rest = page.split(BEGIN)
    made = head + BEGIN + table + END + rest.split(END)[1]
    if write and not wrong:
        PAGE.write_text(made)
    elif made != page:
        print("clients: docs/clients.md does not say what was seen; `make test-clients WRITE=yes` writes it")
        wrong += 1
    differing = sum(row.case.differs is not None for row in rows)
    print(f"clients: {len(rows)} commands on a chain and beside a subnet at work, {differing} of them differ as documented, "
          f"{again} tried twice, {wrong} not as expected, 0 skipped")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
