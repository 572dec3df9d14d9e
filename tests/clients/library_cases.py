"""11.3's library: everything it reads, what it watches, and what it signs. Carol has uid 1 of the first subnet, dan 2."""

from cases import ALPHA, TAO, about, document, library
from subnet_cases import registration

# Reads every thing that the library knows of, giving each what its parameters' names ask for.
READS = """
carol = wallet("carol")
hot, cold, block = carol.hotkey.ss58_address, carol.coldkeypub.ss58_address, await client.block()
given = {{"netuid": {netuid}, "netuids": [{netuid}], "uid": 1, "hotkey_ss58": hot, "hotkey_ss58s": [hot], "coldkey_ss58": cold}}
given |= {{"coldkey_ss58s": [cold], "account_ss58": cold, "amount_tao": 1.0, "amount_alpha": 1.0, "call_hash": "0x" + "00" * 32}}
given |= {{"crowdloan_id": 0, "lease_id": 0}}
failed = {{}}
for read in client.reads():
    arguments = {{key: given[key] for key in read["params"] if key in given}}
    if read["name"] == "block_info": arguments["block"] = block
    try: await client.read(read["name"], **arguments)
    except Exception as error: failed[read["name"]] = f"{{type(error).__name__}}: {{error}}"
print(json.dumps({{"read": len(client.reads()), "failed": failed}}))
"""

# Reads of what is left out of this chain (docs/chain.md).
ABSENT = {
    "accepts_locked_alpha", "associated_evm_key", "basket_position", "basket_trading_status",
    "childkey_threshold_suspended", "crowdloan", "crowdloan_contributors", "crowdloans", "lease", "leases",
    "locks_for_hotkey", "miner_collateral", "root_basket_portfolio", "root_basket_total_nav", "root_baskets",
    "root_claim_threshold", "subnet_collateral", "subnet_convictions", "validator_basket",
    "validator_basket_nav", "validator_basket_summary",
}

WATCH = """
seen = []
async for header in client.blocks():
    seen.append(header.number)
    if len(seen) == 3: break
print(json.dumps([*seen, (await client.wait_for_block()).number]))
"""

EXTRINSIC = """
paid = await client.execute(bt.Transfer(dest_ss58=wallet("bob").coldkeypub.ss58_address, amount_tao=1.5), wallet("carol"))
block = int(paid.extrinsic_id.split("-")[0])
info = await client.block_info(block)
print(json.dumps({"success": paid.success, "in block": [str(extrinsic) for extrinsic in info.extrinsics]}))
"""


def signed(shown, intent, name, check, before=lambda wallets, state: None):
    """An intent that a wallet signs."""
    code = f'done = await client.execute({intent}, wallet("{name}"))\nprint(json.dumps(done.to_dict(), default=str))'
    return library("library", f"client.execute({shown})", code,
                   lambda wallets, state, earlier, output: document(output)["success"] is True
                   and check(wallets, state, earlier), before)


def cases(netuid):
    return [
        library("library", "Subtensor(url).block, .finalized_block, .spec_version",
                "sub = bt.Subtensor(url)\nprint(json.dumps([sub.finalized_block, sub.block, sub.spec_version]))",
                lambda wallets, state, _, output: 0 <= state("block") - document(output)[1] < 40
                and document(output)[0] <= document(output)[1]),
        library("library", "client.read(NAME), for every name there is", READS.format(netuid=netuid),
                lambda wallets, state, _, output: document(output)["read"] > 100
                and set(document(output)["failed"]) == ABSENT,
                differs=f"{len(ABSENT)} of them, about what this chain has not, say so: baskets, leases, crowdloans, EVM, locks, "
                "collateral; the others work"),
        library("library", "client.subnets.metagraph(netuid)",
                f"graph = await client.subnets.metagraph({netuid})\nprint(json.dumps([str(key) for key in graph.hotkeys]))",
                lambda wallets, state, _, output: document(output)
                == [wallets.hot("bob"), wallets.hot("carol"), wallets.hot("dan")]),
        library("library", "client.neurons.all(netuid)",
                f"neurons = await client.neurons.all({netuid})\nprint(json.dumps([[n.uid, n.hotkey] for n in neurons]))",
                lambda wallets, state, _, output: document(output)
                == [[0, wallets.hot("bob")], [1, wallets.hot("carol")], [2, wallets.hot("dan")]]),
        library("library", "client.balances.get(coldkey)",
                'print((await client.balances.get(wallet("bob").coldkeypub.ss58_address)).rao)',
                lambda wallets, state, _, output: int(output) == state("balance", wallets.cold("bob"))),
        library("library", "client.subnets.all()",
                "print(json.dumps([s.netuid for s in await client.subnets.all()]))",
                lambda wallets, state, _, output: document(output) == [0, *state("subnets")]),
        library("library", "client.prices.alpha_price(netuid)",
                f"print(json.dumps(await client.prices.alpha_price({netuid}), default=str))",
                lambda wallets, state, _, output: about(document(output)["price_rao"], state("price", netuid))),
        library("library", "client.subnets.subnet_hyperparameters(netuid)",
                f"print(json.dumps(await client.subnets.subnet_hyperparameters({netuid}), default=str))",
                lambda wallets, state, _, output: document(output)["immunity_period"] == 77),
        library("library", "client.blocks(), client.wait_for_block()", WATCH,
                lambda wallets, state, _, output: all(two == one + 1 for one, two
                                                      in zip(document(output)[:2], document(output)[1:3]))),
        library("library", "client.execute(Transfer(…)), client.block_info(block)", EXTRINSIC,
                lambda wallets, state, before, output: state("balance", wallets.cold("bob")) - before == 1.5 * TAO
                and any("transfer" in extrinsic for extrinsic in document(output)["in block"]),
                lambda wallets, state: state("balance", wallets.cold("bob"))),
        signed("ServeAxon(…)", f'bt.ServeAxon(netuid={netuid}, ip="203.0.113.9", port=8093)', "carol",
               lambda wallets, state, _: state("axon", netuid, wallets.hot("carol")) == "203.0.113.9:8093"),
        signed("SetWeights(…)", f"bt.SetWeights(netuid={netuid}, uids=[0, 2], weights=[3.0, 1.0])", "carol",
               lambda wallets, state, _: [1, [[0, 65535], [2, 21845]]] in state("weights", netuid, 0)),
        signed("AddStake(…)", f'bt.AddStake(hotkey_ss58=wallet("carol").hotkey.ss58_address, netuid={netuid}, amount_tao=3)',
               "carol", lambda wallets, state, before: about(own(netuid)(wallets, state) - before, 3 * ALPHA, 0.1),
               own(netuid)),
        signed("RemoveStake(…)",
               f'bt.RemoveStake(hotkey_ss58=wallet("carol").hotkey.ss58_address, netuid={netuid}, amount_alpha=1)',
               "carol", lambda wallets, state, before: before - own(netuid)(wallets, state) == ALPHA, own(netuid)),
        registration(netuid, True),
        signed("BurnedRegister(…)", f'bt.BurnedRegister(netuid={netuid}, hotkey_ss58=wallet("erin").hotkey.ss58_address)',
               "carol", lambda wallets, state, _: state("uid", netuid, wallets.hot("erin")) == 3),
        registration(netuid, False),
    ]


def own(netuid):
    """What carol has on her own hotkey."""
    return lambda wallets, state: state("stake", wallets.hot("carol"), wallets.cold("carol"), netuid)
