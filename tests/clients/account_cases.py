"""Accounts: who may act for whom, and keys that give way to others. Carol has uid 1 of the first subnet, dan 2; erin's
coldkey acts for carol's. Root is alice, or who has her wallet."""

import re

from cases import TAO, cli, document, root, sdk, until

DELAY = 5
"""Blocks that an announced swap of coldkeys waits here, where it would be five days."""


def proxies():
    def permits(of, kind):
        """Whether erin may do for somebody what the kind says."""
        return lambda wallets, state: [wallets.cold("erin"), kind, 0] in state("proxies", wallets.cold(of))

    def pure(wallets, state, output):
        """Whether somebody acts for an account that has no key; notes where it was made."""
        printed = document(output)
        made = printed["data"]
        account = wallets.note("pure", made.get("pure_proxy", made.get("pure")))
        block, place = printed.get("extrinsic_identifier", printed.get("extrinsic_id")).split("-")
        wallets.note("block", int(block))
        wallets.note("place", int(place))
        return [[made["spawner"], "Any", 0]] == state("proxies", account)

    bobs = lambda wallets, state: state("balance", wallets.cold("bob"))
    return [
        sdk("proxy", lambda wallets: ["proxy", "add", "--delegate", wallets.cold("erin"), "--proxy-type", "Transfer"],
            lambda wallets, state, *_: permits("carol", "Transfer")(wallets, state), wallet="carol", asks=True),
        sdk("proxy", ["proxy", "list"],
            lambda wallets, state, _, output: [proxy["delegate"] for proxy in document(output)["proxies"]]
            == [wallets.cold("erin")], wallet="carol"),
        sdk("proxy", lambda wallets: ["wallet", "transfer", "--dest", wallets.cold("erin"), "--amount", 2],
            lambda wallets, state, *_: state("balance", wallets.cold("erin")) == 2 * TAO, wallet="carol", asks=True),
        sdk("proxy", lambda wallets: ["wallet", "transfer", "--dest", wallets.cold("bob"), "--amount", 1, "--proxy-for",
                                      wallets.cold("carol")],
            lambda wallets, state, before, _: bobs(wallets, state) - before == TAO, wallet="erin", asks=True, before=bobs),
        cli("proxy", lambda wallets: ["proxy", "add", "--delegate", wallets.cold("erin"), "--proxy-type", "Transfer",
                                      "--delay", 0],
            lambda wallets, state, *_: permits("dan", "Transfer")(wallets, state), wallet="dan"),
        cli("proxy", lambda wallets: ["wallet", "transfer", "--destination", wallets.cold("bob"), "--amount", 1,
                                      "--proxy", wallets.cold("dan")],
            lambda wallets, state, before, _: bobs(wallets, state) - before == TAO, wallet="erin", before=bobs),
        sdk("proxy", lambda wallets: ["proxy", "remove", "--delegate", wallets.cold("erin"), "--proxy-type", "Transfer"],
            lambda wallets, state, *_: state("proxies", wallets.cold("carol")) == [], wallet="carol", asks=True),
        cli("proxy", lambda wallets: ["proxy", "remove", "--delegate", wallets.cold("erin"), "--proxy-type", "Transfer",
                                      "--delay", 0],
            lambda wallets, state, *_: state("proxies", wallets.cold("dan")) == [], wallet="dan"),
        sdk("proxy", ["proxy", "create", "--proxy-type", "Any"],
            lambda wallets, state, _, output: pure(wallets, state, output), wallet="carol", asks=True),
        cli("proxy", ["proxy", "create", "--proxy-type", "Any", "--delay", 0, "--index", 0],
            lambda wallets, state, _, output: pure(wallets, state, output), wallet="dan"),
        cli("proxy", lambda wallets: ["proxy", "kill", "--height", wallets.notes["block"], "--ext-index",
                                      wallets.notes["place"], "--spawner", wallets.cold("dan"), "--proxy-type", "Any", "--index", 0, "--proxy",
                                      wallets.notes["pure"]],
            lambda wallets, state, *_: state("proxies", wallets.notes["pure"]) == [], wallet="dan"),
    ]


def multisigs():
    """Of carol and dan, who must both agree."""
    name = "pier"
    bobs = lambda wallets, state: state("balance", wallets.cold("bob"))

    def transfer(signatory, check):
        return sdk("multisig", lambda wallets: ["wallet", "transfer", "-w", name, "--signatory", signatory, "--dest",
                                                wallets.cold("bob"), "--amount", 1],
                   lambda wallets, state, before, _: check(bobs(wallets, state) - before), asks=True, before=bobs)

    return [
        sdk("multisig", ["multisig", "add", name, "--threshold", 2, "--signatories", "carol,dan"],
            lambda wallets, state, _, output: wallets.note(name, document(output)["multisig_address"])),
        sdk("multisig", ["multisig", "show", name],
            lambda wallets, state, _, output: set(document(output)["signatories"])
            == {wallets.cold("carol"), wallets.cold("dan")}),
        sdk("multisig", ["wallet", "transfer", "--dest", name, "--amount", 3],
            lambda wallets, state, *_: state("balance", wallets.notes[name]) == 3 * TAO, wallet="carol", asks=True),
        transfer("carol", lambda got: got == 0),
        sdk("multisig", ["multisig", "pending", "--multisig", name],
            lambda wallets, state, _, output: [one["remaining_signatories"] for one in document(output)["pending_multisigs"]]
            == [[wallets.cold("dan")]]),
        transfer("dan", lambda got: got == TAO),
    ]


def swaps(netuid):
    def moved(hotkey, uid):
        """Whether a hotkey has the uid now."""
        return lambda wallets, state, *_: state("uid", netuid, wallets.hot(*hotkey)) == uid

    return [
        sdk("swap", ["wallet", "swap-hotkey", "--new-hotkey", "second"], moved(("carol", "second"), 1), wallet="carol",
            asks=True),
        cli("swap", ["wallet", "swap-hotkey", "second", "--netuid", netuid], moved(("dan", "second"), 2), wallet="dan"),
        root("swap", "AdminUtils.sudo_set_coldkey_swap_announcement_delay", {"duration": DELAY}),
        sdk("swap", lambda wallets: ["wallet", "announce-coldkey-swap", "--new-coldkey", wallets.cold("grace")],
            lambda wallets, state, *_: state("announced", wallets.cold("carol")) is not None, wallet="carol", asks=True),
        sdk("swap", ["wallet", "swap-check"],
            lambda wallets, state, _, output: document(output)["execute_block"]
            == state("announced", wallets.cold("carol")), wallet="carol"),
        sdk("swap", lambda wallets: ["wallet", "swap-coldkey", "--new-coldkey", wallets.cold("grace")],
            lambda wallets, state, *_: state("owner", wallets.hot("carol", "second")) == wallets.cold("grace"),
            wallet="carol", asks=True),
        cli("swap", lambda wallets: ["wallet", "swap-coldkey", "announce", "--new-coldkey", wallets.cold("heidi")],
            lambda wallets, state, *_: state("announced", wallets.cold("dan")) is not None, wallet="dan", json=False),
        cli("swap", lambda wallets: ["wallet", "swap-check", "--address", wallets.cold("dan")],
            lambda wallets, state, _, output: re.search(r"\b[0-9]+\b", output) and wallets.cold("dan")[:5] in output,
            prompts=False, json=False),
        cli("swap", lambda wallets: ["wallet", "swap-coldkey", "execute", "--new-coldkey", wallets.cold("heidi")],
            lambda wallets, state, *_: until(lambda: state("owner", wallets.hot("dan", "second")) == wallets.cold("heidi")),
            wallet="dan", json=False),
    ]
