//! A model's configuration and tensors: a text, a zero byte, a safetensors file.

#![no_main]

use engine::checkpoint::{export, import};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (config, tensors) = split(bytes);
    let Ok(config) = std::str::from_utf8(config) else { return };
    match import(config, tensors) {
        // What was read must be what is written of it.
        Ok(model) => {
            let written = export(&model).expect("a model that was read");
            let again = import(&written.config, &written.tensors).expect("what was written");
            assert_eq!(again.hash(), model.hash());
        }
        Err(error) => assert!(error.to_string().len() < 64 * 1024),
    }
});

fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    (&bytes[..end], bytes.get(end + 1..).unwrap_or(&[]))
}
