"""Bittensor's own clients, unmodified, against the development chain.

    run.py LOCALNET CHAIN_STATE VENVS [--write]   (`make test-clients`)

Installs `bittensor` and `bittensor-cli` of the versions below from PyPI, each into a virtual environment of its own
(both own the command `btcli`), starts a chain, and runs commands of theirs. What a command changes is read back from
the chain with this project's own client (`CHAIN_STATE`) and compared. The table in docs/clients.md is made by this;
`--write` writes it, without it the test checks that it is still true. Without PyPI everything is skipped, and said so.
"""

import pathlib
import shutil
import sys
import tempfile

from commands import CASES
from parts import Chain, Client, State, install

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parent.parent / "docs" / "clients.md"
BEGIN, END = "<!-- made by `make test-clients` -->\n", "<!-- end -->"
VERSIONS = {"sdk": "bittensor==11.3.0", "cli": "bittensor-cli==9.23.2"}


def main() -> int:
    localnet, chain_state, venvs = sys.argv[1:4]
    write = "--write" in sys.argv[4:]
    pythons = {name: install(pathlib.Path(venvs) / name, package) for name, package in VERSIONS.items()}
    if not all(pythons.values()):
        print(f"clients: {len(CASES)} skipped, PyPI is not reachable")
        return 0
    work = pathlib.Path(tempfile.mkdtemp(prefix="clients-"))
    rows, wrong = [], 0
    try:
        with Chain(localnet) as chain, State(chain_state, chain.url) as state:
            clients = {name: Client(python, chain.url, work) for name, python in pythons.items()}
            for case in CASES:
                result = case.run(clients, state)
                wrong += not result.as_expected
                rows.append(result)
                print(result.line(), flush=True)
    finally:
        shutil.rmtree(work)
    table = "| what | client | command | |\n|---|---|---|---|\n" + "".join(row.row() for row in rows)
    page = PAGE.read_text()
    head, rest = page.split(BEGIN)
    made = head + BEGIN + table + END + rest.split(END)[1]
    if write:
        PAGE.write_text(made)
    elif made != page:
        print("clients: docs/clients.md does not say what was seen; `make test-clients WRITE=yes` writes it")
        wrong += 1
    works = sum(row.works for row in rows)
    print(f"clients: {works} work, {len(rows) - works} differ as documented or fail, {wrong} not as expected, 0 skipped")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
