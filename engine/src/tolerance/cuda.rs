//! What is NVIDIA's alone. Candle has no functions for it, so it is done with the driver's, through the crate that Candle has.

#![expect(unsafe_code, reason = "the driver's settings")]

use candle_core::{
    Device, Error, Result, Storage, Tensor,
    backend::BackendStorage,
    cuda_backend::cudarc::driver::{result, sys},
};

/// A card with a single stream, whichever threads use it: Candle's own choice, a stream for each thread, would let one read what
/// another has yet to write. Its memory stays with this process: else it would go back to the driver, and be mapped anew, at
/// every wait for a result.
pub(super) fn open(ordinal: usize) -> Result<Device> {
    let device = Device::new_cuda_with_stream(ordinal)?;
    if let Device::Cuda(cuda) = &device {
        let mut keep = u64::MAX;
        let threshold = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
        // SAFETY: there is one stream, so nothing is to be ordered between streams. The pool is that of an open device; the
        // attribute is a u64.
        unsafe {
            cuda.disable_event_tracking();
            let pool = result::device::get_default_mem_pool(cuda.cuda_stream().context().cu_device());
            let set = |pool| result::mem_pool::set_attribute(pool, threshold, (&raw mut keep).cast());
            pool.and_then(set).map_err(Error::wrap)?;
        }
    }
    Ok(device)
}

/// Copies values from a card to where they belong. Candle's own way is through a vector of its own, whose pages take longer than
/// the copy.
pub(super) fn download(tensor: &Tensor, values: &mut [f32]) -> Result<()> {
    let (storage, layout) = tensor.storage_and_layout();
    let (Storage::Cuda(storage), Some((first, end))) = (&*storage, layout.contiguous_offsets()) else {
        candle_core::bail!("values that do not lie one after the other on a card");
    };
    if end - first != values.len() {
        candle_core::bail!("{} values for {} places", end - first, values.len());
    }
    let stream = storage.device().cuda_stream();
    stream.memcpy_dtoh(&storage.as_cuda_slice::<f32>()?.slice(first..end), values).map_err(Error::wrap)?;
    stream.synchronize().map_err(Error::wrap)
}
