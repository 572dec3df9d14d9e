//! A foreign model: a byte that says where it is cut, the text of its configuration, a zero byte, a safetensors file.

#![no_main]

use engine::checkpoint::{
    export, import,
    llama::{self, Cut},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((&layers, bytes)) = bytes.split_first() else { return };
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    let Ok(config) = std::str::from_utf8(&bytes[..end]) else { return };
    let tensors = bytes.get(end + 1..).unwrap_or(&[]);
    let layers_per_stage = match usize::from(layers % 8) {
        0 => vec![1, 1],
        layers => vec![layers],
    };
    match llama::import(config, &[tensors], &Cut { layers_per_stage, context: 2 }) {
        Ok(model) => {
            let written = export(&model).expect("a model that was read");
            let again = import(&written.config, &written.tensors).expect("what was written");
            assert_eq!(again.hash(), model.hash());
        }
        Err(error) => assert!(error.to_string().len() < 64 * 1024),
    }
});
