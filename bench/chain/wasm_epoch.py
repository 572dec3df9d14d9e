"""The epoch's program in WebAssembly (bench/chain/wasm), run by wasmtime as a node runs a runtime."""

import json
import time

import wasmtime


class WasmEpoch:
    """A subnet loaded into an instance of its own."""

    def __init__(self, module, subnet):
        engine = wasmtime.Engine()
        self.store = wasmtime.Store(engine)
        instance = wasmtime.Instance(self.store, wasmtime.Module.from_file(engine, str(module)), [])
        self.exports = instance.exports(self.store)
        self.memory = self.exports["memory"]
        written = json.dumps(subnet).encode()
        place = self.exports["room"](self.store, len(written))
        self.memory.write(self.store, written, place)
        self.subnet = self.exports["load"](self.store, place, len(written))

    @property
    def terms(self):
        """What comes out of an epoch."""
        # wasmtime gives signed numbers.
        found = self.exports["terms"](self.store, self.subnet) % 2**64
        start, length = found % 2**32, found // 2**32
        return json.loads(bytes(self.memory.read(self.store, start, start + length)))

    def time(self, times):
        """Seconds that each of so many epochs took, on average: a call from Python takes long beside a short epoch."""
        start = time.perf_counter()
        self.exports["epochs"](self.store, self.subnet, times)
        return [(time.perf_counter() - start) / times]
