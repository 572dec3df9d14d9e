//! With the feature `wasm`, builds the runtime as a wasm blob beside the native one. Without it, does nothing: the node
//! runs the native runtime, which needs no wasm toolchain.

fn main() {
    #[cfg(feature = "wasm")]
    substrate_wasm_builder::WasmBuilder::build_using_defaults();
}
