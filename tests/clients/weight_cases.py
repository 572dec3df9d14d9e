"""Weights, plain, by mechanism, by hash and under a time lock. Carol validates the first subnet."""

from cases import advance, cli, library, ours, sdk, until

SALT = [11, 222, 3333]
# 9.23 reveals with its own version for a version key, so what it is to reveal is committed with that.
VERSION_9_23_2 = 9_023_002
NOT_THERE = "SubtensorModule.get_commit_reveal_weights_enabled"


def row(uid, weights):
    """A validator's row on the chain."""
    return [uid, [[to, weight] for to, weight in weights]]


def commit_reveal(netuid, enabled):
    return sdk("weights", ["sudo", "set", "--netuid", netuid, "--name", "commit_reveal_weights_enabled", "--value",
                           str(enabled).lower()],
               lambda wallets, state, *_: state("hyperparameters", netuid)["commit_reveal_weights_enabled"] == enabled,
               asks=True, wallet="bob")


def cases(netuid):
    return [
        # An epoch gives carol her permit.
        advance(netuid, "--epochs", 1),
        sdk("weights", ["weights", "set", "--netuid", netuid, "--uids", "0,2", "--weights", "1,3"],
            lambda wallets, state, *_: row(1, [(0, 21845), (2, 65535)]) in state("weights", netuid, 0),
            asks=True, wallet="carol"),
        sdk("weights", ["weights", "set", "--netuid", netuid, "--mechid", 1, "--uids", "0", "--weights", "1"],
            lambda wallets, state, *_: row(1, [(0, 65535)]) in state("weights", netuid, 1), asks=True, wallet="carol"),
        library("weights", "client.weights.weights(netuid, 1)",
                f"rows = await client.weights.weights({netuid}, 1)\nprint(json.dumps({{str(k): v for k, v in rows.items()}}))",
                lambda wallets, state, _, output: '"0": 1.0' in output),
        commit_reveal(netuid, True),
        # Weights, and commits to them, are taken every hundred blocks; early in an epoch, there is time before the next.
        advance(netuid, "--epochs", 2),
        cli("weights", ["weights", "commit", "--netuid", netuid, "--uids", "2", "--weights", "1.0", "--salt",
                        ",".join(map(str, SALT))],
            lambda wallets, state, _, output: NOT_THERE in output and state("commits", netuid, wallets.hot("carol")) == 0,
            wallet="carol", json=False, differs="asks for a storage entry by the name of a runtime API, which Bittensor's "
            "chain lacks as well: " + NOT_THERE),
        ours("weights", "commit_weights",
             lambda wallets, url: [url, wallets.folder, "carol", netuid, 2, 65535, VERSION_9_23_2, *SALT],
             lambda wallets, state, _, output: "committed" in output),
        advance(netuid, "--epochs", 1),
        cli("weights", ["weights", "reveal", "--netuid", netuid, "--uids", "2", "--weights", "1.0", "--salt",
                        ",".join(map(str, SALT))],
            lambda wallets, state, *_: until(lambda: row(1, [(2, 65535)]) in state("weights", netuid, 0)),
            wallet="carol"),
        advance(netuid, "--epochs", 2),
        ours("weights", "commit_weights",
             lambda wallets, url: [url, wallets.folder, "carol", netuid, 0, 65535, 0, *SALT],
             lambda wallets, state, _, output: "committed" in output),
        advance(netuid, "--epochs", 1),
        sdk("weights", ["weights", "reveal", "--netuid", netuid, "--uids", "0", "--weights", "1", "--salt",
                        ",".join(map(str, SALT))],
            lambda wallets, state, *_: row(1, [(0, 65535)]) in state("weights", netuid, 0), wallet="carol", asks=True),
        advance(netuid, "--blocks", 100),
        sdk("weights", ["weights", "commit", "--netuid", netuid, "--uids", "2", "--weights", "1"],
            lambda wallets, state, *_: any(who == wallets.hot("carol") and opens > 1000 * state("last-round")
                                           for who, opens in state("sealed", netuid, 0)),
            wallet="carol", asks=True,
            differs="is taken, but sealed for a round of drand's quicknet that the chain's own beacon never reaches"),
        commit_reveal(netuid, False),
        advance(netuid, "--blocks", 100),
    ]
