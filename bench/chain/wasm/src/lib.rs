//! An epoch in WebAssembly, as a runtime in WebAssembly executes it: told what to do by the benchmark, which runs and times it.
//!
//! The host asks for room, writes a subnet there as JSON, has it loaded, and then has epochs of it run.

#![no_std]

extern crate alloc;

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::subnet::{Outcome, Subnet};

#[path = "../../../../chain/yuma/examples/bench_epoch/subnet.rs"]
mod subnet;

#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// Room for `length` bytes, for the host to write to. It stays.
#[unsafe(no_mangle)]
extern "C" fn room(length: usize) -> *mut u8 {
    alloc::vec![0; length].leak().as_mut_ptr()
}

/// The subnet that stands as JSON in `length` bytes at `json`, which [`room`] gave. It stays. A trap if it is none.
///
/// # Safety
///
/// The bytes are there, and nobody changes them meanwhile.
#[unsafe(no_mangle)]
unsafe extern "C" fn load(json: *const u8, length: usize) -> *const Subnet {
    // SAFETY: as the host promises.
    let json = unsafe { core::slice::from_raw_parts(json, length) };
    let subnet = Subnet::read(json).unwrap_or_else(|_| core::arch::wasm32::unreachable());
    Box::leak(Box::new(subnet))
}

/// Runs so many epochs of what [`load`] returned. A trap if it allows none.
///
/// # Safety
///
/// `subnet` comes from [`load`].
#[unsafe(no_mangle)]
unsafe extern "C" fn epochs(subnet: *const Subnet, times: u32) {
    // SAFETY: as the host promises.
    let input = unsafe { &*subnet }.input();
    for _ in 0..times {
        let output = yuma::epoch(core::hint::black_box(&input));
        core::hint::black_box(output.unwrap_or_else(|_| core::arch::wasm32::unreachable()));
    }
}

/// What came out of one, as JSON: where it is in the lower half, its length in the upper one. It stays.
///
/// # Safety
///
/// `subnet` comes from [`load`].
#[unsafe(no_mangle)]
unsafe extern "C" fn terms(subnet: *const Subnet) -> u64 {
    // SAFETY: as the host promises.
    let outcome = Outcome::of(&unsafe { &*subnet }.input());
    let outcome = outcome.unwrap_or_else(|_| core::arch::wasm32::unreachable());
    let json: Vec<u8> = serde_json::to_vec(&outcome).unwrap_or_else(|_| core::arch::wasm32::unreachable());
    let json = json.leak();
    (json.len() as u64) << 32 | json.as_ptr() as u64
}
