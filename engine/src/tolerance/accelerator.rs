//! What a stage can run on beside the exact engine.

use std::{fmt, str::FromStr};

use candle_core::Device;
use thiserror::Error;

/// A kind of device that Candle computes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Accelerator {
    /// The processor, with Candle's own matrix products.
    Cpu,
    /// An NVIDIA card; programs built with the feature `cuda`.
    Cuda,
    /// An Apple card; programs built with the feature `metal`.
    Metal,
}

/// A device that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AcceleratorError {
    /// The program has no code for it.
    #[error("this program was built without {0}: build it with `--features {0}`")]
    NotBuilt(Accelerator),
    /// The machine, or its driver, has none.
    #[error("no {accelerator} device can be opened: {source}")]
    NotThere {
        /// Which.
        accelerator: Accelerator,
        /// What the driver says.
        source: candle_core::Error,
    },
}

/// No accelerator has that name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no device: cpu, cuda or metal")]
pub struct UnknownAccelerator(String);

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Metal => "metal",
        })
    }
}

impl FromStr for Accelerator {
    type Err = UnknownAccelerator;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found =
            [Self::Cpu, Self::Cuda, Self::Metal].into_iter().find(|accelerator| accelerator.to_string() == name);
        found.ok_or_else(|| UnknownAccelerator(name.to_owned()))
    }
}

impl Accelerator {
    /// Those that this program has code for and this machine has a device of, cards last.
    pub fn present() -> Vec<Self> {
        [Self::Cpu, Self::Cuda, Self::Metal].into_iter().filter(|accelerator| accelerator.check().is_ok()).collect()
    }

    /// A card where there is one that this program has code for, else the processor.
    pub fn preferred() -> Self {
        Self::present().pop().unwrap_or(Self::Cpu)
    }

    /// Whether this program can compute on it here, and else why not.
    ///
    /// # Errors
    /// When the program was built without it, or the machine has none.
    pub fn check(self) -> Result<(), AcceleratorError> {
        self.open().map(drop)
    }

    /// The first device of the kind. A card stays open: every opening would load its kernels anew.
    ///
    /// # Errors
    /// When the program was built without it, or the machine has none.
    pub(super) fn open(self) -> Result<Device, AcceleratorError> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            #[cfg(feature = "cuda")]
            Self::Cuda => {
                static OPENED: std::sync::OnceLock<Device> = std::sync::OnceLock::new();
                self.opened_once(&OPENED, super::cuda::open)
            }
            #[cfg(feature = "metal")]
            Self::Metal => {
                static OPENED: std::sync::OnceLock<Device> = std::sync::OnceLock::new();
                self.opened_once(&OPENED, Device::new_metal)
            }
            #[cfg(not(feature = "cuda"))]
            Self::Cuda => Err(AcceleratorError::NotBuilt(self)),
            #[cfg(not(feature = "metal"))]
            Self::Metal => Err(AcceleratorError::NotBuilt(self)),
        }
    }

    #[cfg(any(feature = "cuda", feature = "metal"))]
    fn opened_once(
        self,
        opened: &std::sync::OnceLock<Device>,
        open: impl FnOnce(usize) -> candle_core::Result<Device>,
    ) -> Result<Device, AcceleratorError> {
        if let Some(device) = opened.get() {
            return Ok(device.clone());
        }
        let device = open(0).map_err(|source| AcceleratorError::NotThere { accelerator: self, source })?;
        Ok(opened.get_or_init(|| device).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways_and_what_is_missing_says_so() {
        for accelerator in [Accelerator::Cpu, Accelerator::Cuda, Accelerator::Metal] {
            assert_eq!(accelerator.to_string().parse(), Ok(accelerator));
        }
        assert_eq!("tpu".parse::<Accelerator>().unwrap_err().to_string(), "`tpu` is no device: cpu, cuda or metal");
        assert!(Accelerator::present().contains(&Accelerator::Cpu));
        assert!(Accelerator::preferred().check().is_ok());
        if !cfg!(feature = "metal") {
            let error = Accelerator::Metal.check().unwrap_err();
            assert_eq!(error.to_string(), "this program was built without metal: build it with `--features metal`");
        }
    }
}
