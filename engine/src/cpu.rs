//! What computes: an instruction set and how many threads. Neither changes a bit of any result.
//!
//! Both are values that the caller passes in, so one binary can compute with each of the instruction sets that a machine
//! has and compare. Threads divide rows, columns or whole sequences among themselves, never a sum.

use std::sync::Arc;

use rayon::ThreadPool;

use crate::buffer::{Buffer, Shelf};

/// A set of vector instructions that this machine has.
#[derive(Clone, Copy, Debug)]
pub struct Instructions(pulp::Arch);

impl Instructions {
    /// The widest there are.
    pub fn best() -> Self {
        Self(pulp::Arch::new())
    }

    /// All that this machine has, from what every machine of its kind has (compiled without any choice at run time; one
    /// number after the other in matrix products and exponentials) to the widest.
    pub fn available() -> Vec<Self> {
        let mut all = vec![Self(pulp::Arch::Scalar)];
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(pulp::x86::V3::try_new().map(|simd| Self(pulp::Arch::V3(simd))));
            all.extend(pulp::x86::V4::try_new().map(|simd| Self(pulp::Arch::V4(simd))));
        }
        #[cfg(target_arch = "aarch64")]
        all.extend(pulp::aarch64::Neon::try_new().map(|simd| Self(pulp::Arch::Neon(simd))));
        all
    }

    /// What people call it.
    pub fn name(&self) -> &'static str {
        match self.0 {
            pulp::Arch::Scalar => "baseline",
            #[cfg(target_arch = "x86_64")]
            pulp::Arch::V3(_) => "AVX2",
            #[cfg(target_arch = "x86_64")]
            pulp::Arch::V4(_) => "AVX-512",
            #[cfg(target_arch = "aarch64")]
            pulp::Arch::Neon(_) => "NEON",
            _ => "other",
        }
    }
}

/// An instruction set and, where there are more threads than the caller's, the pool they belong to. Cheap to clone; clones
/// share the memory of intermediate results that they use again.
#[derive(Clone, Debug)]
pub struct Cpu {
    instructions: Instructions,
    pool: Option<Arc<ThreadPool>>,
    shelf: Shelf,
}

impl Default for Cpu {
    /// The widest instructions, on the caller's thread only.
    fn default() -> Self {
        Self { instructions: Instructions::best(), pool: None, shelf: Shelf::default() }
    }
}

impl Cpu {
    /// The same with other instructions.
    pub fn with_instructions(self, instructions: Instructions) -> Self {
        Self { instructions, ..self }
    }

    /// The same on all threads of a pool. The caller's own thread only waits meanwhile.
    pub fn with_pool(self, pool: Arc<ThreadPool>) -> Self {
        Self { pool: Some(pool), ..self }
    }

    /// The instructions.
    pub fn instructions(&self) -> Instructions {
        self.instructions
    }

    /// How many threads compute.
    pub fn threads(&self) -> usize {
        self.pool.as_ref().map_or(1, |pool| pool.current_num_threads())
    }

    pub(crate) fn arch(&self) -> pulp::Arch {
        self.instructions.0
    }

    /// A buffer to be overwritten entirely.
    pub(crate) fn buffer(&self, len: usize) -> Buffer {
        self.shelf.take(len)
    }

    /// A buffer of zeros.
    pub(crate) fn zeros(&self, len: usize) -> Buffer {
        self.shelf.zeros(len)
    }

    /// A buffer with these values.
    pub(crate) fn copy(&self, values: &[f32]) -> Buffer {
        self.shelf.copy(values)
    }

    /// Runs what is written for vectors of any width.
    #[inline(always)]
    pub(crate) fn dispatch<Work: pulp::WithSimd>(&self, work: Work) -> Work::Output {
        self.instructions.0.dispatch(work)
    }

    /// Runs a whole pass on a thread of the pool, from which its parts then spread without waking anybody twice.
    pub(crate) fn enter<R: Send>(&self, pass: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => pool.install(pass),
            None => pass(),
        }
    }

    /// Items in each thread's share of `items`; at least one.
    pub(crate) fn share(&self, items: usize) -> usize {
        items.div_ceil(self.threads()).max(1)
    }

    /// Does all tasks, each once, in no particular order: they must not depend on each other.
    pub(crate) fn each<T: Send>(&self, tasks: impl Iterator<Item = T> + Send, work: impl Fn(T) + Sync) {
        match &self.pool {
            None => tasks.for_each(work),
            Some(pool) => pool.scope(|scope| {
                let work = &work;
                tasks.for_each(|task| scope.spawn(move |_| work(task)));
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_instructions_are_the_last_available() {
        let available = Instructions::available();
        assert_eq!(available[0].name(), "baseline");
        assert_eq!(available.last().unwrap().name(), Instructions::best().name());
    }

    #[test]
    fn tasks_are_done_once_each() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        for cpu in [Cpu::default(), Cpu::default().with_pool(pool.into())] {
            let mut done = [0; 100];
            cpu.each(done.chunks_mut(cpu.share(100)), |part| part.iter_mut().for_each(|done| *done += 1));
            assert_eq!(done, [1; 100], "{} threads", cpu.threads());
        }
    }
}
