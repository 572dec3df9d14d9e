"""Bittensor's own wallets, driven by lines of JSON on stdin; each is answered by one on stdout.

Runs inside a virtual environment that has either `bittensor-wallet` (4.x) or `bittensor` (11.x).
"""

import json
import os
import subprocess
import sys

SCHEMES = {"ed25519": 0, "sr25519": 1}

try:
    from bittensor_wallet import Keypair, Wallet

    def shown_to(on_mnemonic):
        return {}
except ImportError:
    from bittensor import Wallet
    from bittensor.sp_core import Keypair

    def shown_to(on_mnemonic):
        return {"on_mnemonic": on_mnemonic}


def wallet(order):
    return Wallet(name=order["wallet"], hotkey=order["hotkey"], path=order["path"])


def role_arguments(order):
    role, password = order["role"], order.get("password")
    return {"use_password": password is not None, f"{role}_password": password, "suppress": True}


def opened(order):
    return getattr(wallet(order), f"get_{order['role']}")(order.get("password"))


def make(order):
    """A new key, its phrase in a file of its own."""
    create = getattr(wallet(order), f"create_new_{order['role']}")
    create(
        n_words=order["words"],
        crypto_type=SCHEMES[order["scheme"]],
        **role_arguments(order),
        **shown_to(lambda phrase: None),
    )
    return show(order)


def regenerate(order):
    """A key from a seed, or from a phrase."""
    again = getattr(wallet(order), f"regenerate_{order['role']}")
    again(**order["source"], crypto_type=SCHEMES[order["scheme"]], **role_arguments(order))
    return show(order)


def show(order):
    public = getattr(wallet(order), f"{order['role']}pub")
    return {"ss58": public.ss58_address}


def sign(order):
    key = opened(order)
    return {"ss58": key.ss58_address, "signature": key.sign(order["message"].encode()).hex()}


def verify(order):
    key = Keypair(ss58_address=order["ss58"], crypto_type=SCHEMES[order["scheme"]])
    return {"valid": bool(key.verify(order["message"].encode(), bytes.fromhex(order["signature"])))}


def remember(order):
    """The variable in which the password of a key is kept, as children of this process see it."""
    file = getattr(wallet(order), f"{order['role']}_file")
    file.save_password_to_env(order["password"])
    shown = subprocess.run(["env", "-0"], capture_output=True, check=True).stdout.decode().split("\0")
    return {"variables": dict(line.split("=", 1) for line in shown if line.startswith("BT_PW_"))}


ORDERS = {order.__name__: order for order in (make, regenerate, show, sign, verify, remember)}


def main():
    # The libraries talk on stdout, which is ours.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = ORDERS[order["do"]](order)
        except BaseException as error:  # Theirs derive from all kinds of things.
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


main()
