//! Where a model runs.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::encoder::Operators;
use super::kernel_ops::KernelOps;

/// The device that models run on: `cpu`, `cuda` (the first one) or `cuda:1` and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Placement {
    /// The processor, by our own kernels.
    #[default]
    Cpu,
    /// A CUDA device by its number, through candle. Needs a build with `--features cuda`.
    Cuda(usize),
}

impl Placement {
    /// Whether this build can run anything there.
    ///
    /// # Errors
    /// It cannot; in words for the user.
    pub fn check(self) -> Result<(), &'static str> {
        match self {
            Placement::Cuda(_) if !cfg!(feature = "cuda") => {
                Err("this build knows no CUDA; build with `cargo build --release --features cuda`")
            }
            _ => Ok(()),
        }
    }

    /// The operators of the device.
    ///
    /// # Errors
    /// There is no such device; in words for the user.
    pub fn operators(self) -> Result<Operators, String> {
        self.check()?;
        match self {
            Placement::Cpu => Ok(Operators::Kernels(KernelOps::best())),
            Placement::Cuda(number) => candle_core::Device::new_cuda(number)
                .map(Operators::Candle)
                .map_err(|error| format!("there is no CUDA device {number}: {error}")),
        }
    }
}

impl FromStr for Placement {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("`{text}` is no device; expected `cpu`, `cuda` or `cuda:` with a number");
        match text.split_once(':') {
            None if text == "cpu" => Ok(Placement::Cpu),
            None if text == "cuda" => Ok(Placement::Cuda(0)),
            Some(("cuda", number)) => number.parse().map(Placement::Cuda).map_err(|_| expected()),
            _ => Err(expected()),
        }
    }
}

impl Serialize for Placement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Placement::Cpu => f.write_str("cpu"),
            Placement::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_named_as_it_is_read() {
        for name in ["cpu", "cuda:0", "cuda:3"] {
            assert_eq!(name.parse::<Placement>().unwrap().to_string(), name);
        }
        assert_eq!("cuda".parse(), Ok(Placement::Cuda(0)));
        for name in ["", "gpu", "cuda:", "cuda:x", "cpu:0", "CUDA"] {
            assert!(name.parse::<Placement>().unwrap_err().contains("expected `cpu`"), "{name}");
        }
    }
}
