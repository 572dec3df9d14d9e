"""Stake: in, out, to other places and other people, with and without a limit; children and takes."""

from cases import ALPHA, TAO, Case, about, advance, cli, document, root, sdk, until

PLAIN = ["--unsafe", "--no-mev-protection"]
ROOT = 0
LIMITED = ["--tolerance", 0.1, "--no-mev-protection"]


def stake_on(hotkey, coldkey, netuid):
    return lambda wallets, state: state("stake", wallets.hot(hotkey), wallets.cold(coldkey), netuid)


def cases(netuid, other, stake):
    """`stake` is what carol and dan validate with."""
    own = {name: stake_on(name, name, netuid) for name in ("carol", "dan")}

    def grew(name, alpha, part=0.1):
        return lambda wallets, state, before, _: about(own[name](wallets, state) - before, alpha * ALPHA, part)

    def fell(name, alpha):
        return lambda wallets, state, before, _: before - own[name](wallets, state) == alpha * ALPHA

    def holdings(name):
        stake = stake_on(name, name, netuid)
        return lambda wallets, state: (state("balance", wallets.cold(name)), stake(wallets, state))

    def is_burned(name):
        """One TAO is gone, and no stake has come for it."""
        def check(wallets, state, before):
            free, alpha = holdings(name)(wallets, state)
            return about(before[0] - free, TAO, 0.05) and alpha == before[1]
        return check

    def sdk_stake(words, check, name="carol", before=None):
        return sdk("stake", words, check, wallet=name, asks=True, before=before or own[name])

    def cli_stake(words, check, name="dan", before=None, hotkey=True):
        return cli("stake", words, check, wallet=name, before=before or own[name], hotkey=hotkey)

    return [
        sdk_stake(lambda wallets: ["stake", "add", "--hotkey", wallets.hot("carol"), "--netuid", netuid, "--amount", stake],
                  grew("carol", stake)),
        sdk_stake(lambda wallets: ["stake", "add", "--hotkey", wallets.hot("carol"), "--netuid", netuid, "--amount", 5,
                                   "--no-slippage-protection"], grew("carol", 5)),
        cli_stake(["stake", "add", "--netuid", netuid, "--amount", stake, *LIMITED], grew("dan", stake)),
        cli_stake(["stake", "add", "--netuid", netuid, "--amount", 5, *PLAIN], grew("dan", 5)),
        sdk("stake", ["stake", "list"],
            lambda wallets, state, _, output: own["carol"](wallets, state)
            in [round(position["stake_amount"] * ALPHA) for position in document(output)], wallet="carol"),
        sdk("stake", ["stake", "show", "--netuid", netuid],
            lambda wallets, state, _, output: round(document(output)["stake_amount"] * ALPHA) == own["carol"](wallets, state),
            wallet="carol"),
        cli("stake", ["stake", "list"],
            lambda wallets, state, _, output: any(
                entry["netuid"] == netuid and about(entry["stake_value"] * ALPHA, own["dan"](wallets, state))
                for entry in document(output)["stake_info"][wallets.hot("dan")]), wallet="dan"),
        sdk_stake(lambda wallets: ["stake", "remove", "--hotkey", wallets.hot("carol"), "--netuid", netuid,
                                   "--amount", 4], fell("carol", 4)),
        sdk_stake(lambda wallets: ["stake", "remove", "--hotkey", wallets.hot("carol"), "--netuid", netuid,
                                   "--amount", 2, "--no-slippage-protection"], fell("carol", 2)),
        cli_stake(lambda wallets: ["stake", "remove", "--netuid", netuid, "--amount", 3, "--hotkey-ss58-address",
                                   wallets.hot("dan"), *PLAIN], fell("dan", 3)),
        cli_stake(lambda wallets: ["stake", "remove", "--netuid", netuid, "--amount", 2, "--hotkey-ss58-address",
                                   wallets.hot("dan"), *LIMITED], fell("dan", 2)),
        # To another hotkey, where others have stake: less than a rao may be lost to rounding.
        sdk_stake(lambda wallets: ["stake", "move", "--origin-hotkey", wallets.hot("carol"), "--origin-netuid", netuid,
                                   "--dest-hotkey", wallets.hot("bob"), "--dest-netuid", netuid, "--amount", 2],
                  lambda wallets, state, *_: about(stake_on("bob", "carol", netuid)(wallets, state), 2 * ALPHA, 1e-9)),
        cli_stake(lambda wallets: ["stake", "move", "--origin-netuid", netuid, "--dest-netuid", netuid, "--from",
                                   wallets.hot("dan"), "--to", wallets.hot("bob"), "--amount", 2, "--no-mev-protection"],
                  lambda wallets, state, *_: about(stake_on("bob", "dan", netuid)(wallets, state), 2 * ALPHA, 1e-9), hotkey=False),
        # To another subnet.
        sdk_stake(lambda wallets: ["stake", "move", "--origin-hotkey", wallets.hot("carol"), "--origin-netuid", netuid,
                                   "--dest-hotkey", wallets.hot("dan"), "--dest-netuid", other, "--amount", 3],
                  lambda wallets, state, before, _: before - own["carol"](wallets, state) == 3 * ALPHA
                  and stake_on("dan", "carol", other)(wallets, state) > 2 * ALPHA),
        sdk_stake(lambda wallets: ["stake", "swap", "--hotkey", wallets.hot("carol"), "--origin-netuid", netuid,
                                   "--dest-netuid", other, "--amount", 2], fell("carol", 2)),
        cli_stake(lambda wallets: ["stake", "swap", "--origin-netuid", netuid, "--dest-netuid", other, "--amount", 2,
                                   "--no-mev-protection", "--unsafe"], fell("dan", 2)),
        # To another coldkey.
        sdk_stake(lambda wallets: ["stake", "transfer", "--dest", wallets.cold("dan"), "--hotkey", wallets.hot("carol"),
                                   "--netuid", netuid, "--amount", 1],
                  lambda wallets, state, *_: stake_on("carol", "dan", netuid)(wallets, state) == ALPHA),
        cli_stake(lambda wallets: ["stake", "transfer", "--origin-netuid", netuid, "--dest-netuid", netuid, "--dest",
                                   wallets.cold("carol"), "--amount", 1, "--no-mev-protection"],
                  lambda wallets, state, *_: stake_on("dan", "carol", netuid)(wallets, state) == ALPHA),
        # To nobody.
        sdk_stake(lambda wallets: ["sudo", "stake-burn", "--netuid", netuid, "--amount", 1, "--limit-price", 10**10],
                  lambda wallets, state, before, _: is_burned("carol")(wallets, state, before),
                  before=holdings("carol")),
        cli_stake(["sudo", "stake-burn", "--netuid", netuid, "--amount", 1, "--no-mev-protection"],
                  lambda wallets, state, before, _: is_burned("bob")(wallets, state, before), name="bob",
                  before=holdings("bob")),
    ]


def leaving(netuid):
    """Everything out."""
    own = stake_on("carol", "carol", netuid)
    return [
        sdk("stake", lambda wallets: ["stake", "move-swap", "--origin-hotkey", wallets.hot("carol"), "--origin-netuid",
                                      netuid, "--dest-hotkey", wallets.hot("dan"), "--dest-netuid", ROOT, "--amount", 2],
            lambda wallets, state, before, _: before - own(wallets, state) == 2 * ALPHA
            and stake_on("dan", "carol", ROOT)(wallets, state) > 0, wallet="carol", asks=True, before=own),
        sdk("stake", ["stake", "unstake-all"], lambda wallets, state, *_: own(wallets, state) == 0, wallet="carol", asks=True),
        cli("stake", ["stake", "remove", "--all", *PLAIN],
            lambda wallets, state, *_: until(lambda: stake_on("dan", "dan", netuid)(wallets, state) == 0), wallet="dan"),
    ]


def relations(netuid):
    def children(wallets, state, name):
        return [(child, about(part, 2**63)) for part, child in state("children", wallets.hot(name), netuid)]

    def counting(wallets, state, name):
        """Whether bob's hotkey is a child's already."""
        return [child for _, child in state("child-keys", wallets.hot(name), netuid)] == [wallets.hot("bob")]

    return [
        # Children would count only after a day.
        root("children", "SubtensorModule.set_pending_childkey_cooldown", {"cooldown": 0}),
        sdk("children", lambda wallets: ["stake", "child", "set", "--netuid", netuid, "--children",
                                         f'[[0.5,"{wallets.hot("bob")}"]]'],
            lambda wallets, state, *_: children(wallets, state, "carol") == [(wallets.hot("bob"), True)],
            wallet="carol", asks=True),
        cli("children", lambda wallets: ["stake", "child", "set", "--netuid", netuid, "--children", wallets.hot("bob"),
                                         "--proportions", 0.5],
            lambda wallets, state, *_: children(wallets, state, "dan") == [(wallets.hot("bob"), True)], wallet="dan"),
        # What was set counts from the next epoch on.
        advance(netuid, "--epochs", 1),
        sdk("children", ["stake", "child", "get", "--netuid", netuid],
            lambda wallets, state, _, output: wallets.hot("bob") in output and counting(wallets, state, "carol"),
            wallet="carol"),
        cli("children", ["stake", "child", "get", "--netuid", netuid],
            lambda wallets, state, _, output: wallets.hot("bob") in output and counting(wallets, state, "dan"),
            wallet="dan", prompts=False),
        # Children are named anew every 150 blocks.
        advance(netuid, "--blocks", 150),
        sdk("children", ["stake", "child", "revoke", "--netuid", netuid],
            lambda wallets, state, _, output: document(output)["success"] is True, wallet="carol", asks=True),
        cli("children", ["stake", "child", "revoke", "--netuid", netuid],
            lambda wallets, state, _, output: document(output)[str(netuid)]["success"] is True, wallet="dan"),
        # Children are given up after an epoch; in the next, carol validates on with all that is hers.
        advance(netuid, "--epochs", 2),
        sdk("children", ["stake", "child", "get", "--netuid", netuid],
            lambda wallets, state, _, output: document(output)["children"] == []
            and all(state("child-keys", wallets.hot(name), netuid) == [] for name in ("carol", "dan")), wallet="carol"),
        sdk("children", ["stake", "child", "take", "--netuid", netuid, "--take", "0.05"],
            lambda wallets, state, *_: about(state("childkey-take", wallets.hot("carol"), netuid), 0.05 * 65535),
            wallet="carol", asks=True),
        cli("children", ["stake", "child", "take", "--netuid", netuid, "--take", "0.06"],
            lambda wallets, state, *_: about(state("childkey-take", wallets.hot("dan"), netuid), 0.06 * 65535),
            wallet="dan"),
        # Carol's mining income goes to dan's hotkey, and his to hers.
        sdk("auto-stake", lambda wallets: ["stake", "set-auto", "--netuid", netuid, "--hotkey", wallets.hot("dan")],
            lambda wallets, state, *_: state("auto-stake", wallets.cold("carol"), netuid) == wallets.hot("dan"),
            wallet="carol", asks=True),
        sdk("auto-stake", ["stake", "auto"],
            lambda wallets, state, _, output: wallets.hot("dan") in output, wallet="carol"),
        Case("auto-stake", "cli", f"btcli stake set-auto --netuid {netuid}",
             lambda client, wallets: client.btcli("stake", "set-auto", "--netuid", netuid, "--network", client.url,
                                                  "--wallet-name", "dan", "--wallet-path", client.wallets,
                                                  answers=f"{wallets.hot('carol')}\ny\n"),
             lambda wallets, state, *_: state("auto-stake", wallets.cold("dan"), netuid) == wallets.hot("carol")),
        cli("auto-stake", ["stake", "auto"],
            lambda wallets, state, _, output: document(output)[str(netuid)]["destination"] == wallets.hot("carol")[0],
            wallet="dan", prompts=False, hotkey=False,
            differs="shows the first letter of the hotkey, as with any chain: it takes the address for a list"),
        sdk("take", ["sudo", "set-take", "--take", "0.1"],
            lambda wallets, state, *_: about(state("take", wallets.hot("carol")), 6553.5), wallet="carol", asks=True),
        sdk("take", ["sudo", "get-take"],
            lambda wallets, state, _, output: about(document(output)["take"], 0.1), wallet="carol"),
        cli("take", ["sudo", "set-take", "--take", "0.12"],
            lambda wallets, state, *_: about(state("take", wallets.hot("dan")), 0.12 * 65535), wallet="dan", prompts=False),
        cli("take", ["sudo", "get-take"],
            lambda wallets, state, _, output: about(document(output)["current_take"], 0.12), wallet="dan", prompts=False),
    ]
