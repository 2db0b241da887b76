//! Sixteen lanes of `f32`, on whatever instructions the processor has.
//!
//! Every kernel is written once over [`Simd`] and compiled three times. Each implementation does the
//! same operations on the same lanes in the same order, and multiply-add rounds once everywhere (the
//! portable one falls back on the correctly rounded `fma` of the mathematics library). So **all of them
//! give the same bits**, and what runs where never shows in a result.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

#[cfg(target_arch = "x86_64")]
use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
use avx512::Avx512;
use portable::Portable;

/// Lanes of a vector.
pub const LANES: usize = 16;

/// Operations on vectors of sixteen `f32`. A value of an implementing type is the proof that the
/// processor has its instructions.
pub trait Simd: Copy + Send + Sync {
    /// Sixteen `f32`.
    type V: Copy;

    /// Rows of the register tile of a matrix product.
    const TILE_ROWS: usize;
    /// Vectors side by side in the register tile of a matrix product.
    const TILE_VECTORS: usize;

    /// The same value in every lane.
    fn splat(self, value: f32) -> Self::V;
    /// Sixteen values.
    fn load(self, from: &[f32; LANES]) -> Self::V;
    /// Puts sixteen values away.
    fn store(self, to: &mut [f32; LANES], value: Self::V);
    /// a + b
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// a − b
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// a · b
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// a / b
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// a · b + c, rounded once.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger one; b where either is not a number.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// The smaller one; b where either is not a number.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// |a|
    fn abs(self, a: Self::V) -> Self::V;
    /// `yes` in the lanes where a < b, `no` in the others.
    fn select_less(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V;
    /// 2ⁿ for whole n from −126 to 127.
    fn power_of_two(self, n: Self::V) -> Self::V;

    /// 0 in every lane.
    #[inline(always)]
    fn zero(self) -> Self::V {
        self.splat(0.0)
    }

    /// The lanes of a vector.
    #[inline(always)]
    fn lanes(self, value: Self::V) -> [f32; LANES] {
        let mut lanes = [0.0; LANES];
        self.store(&mut lanes, value);
        lanes
    }

    /// The sum of all lanes: halves onto each other until one is left.
    #[inline(always)]
    fn sum(self, value: Self::V) -> f32 {
        fold(self.lanes(value), |a, b| a + b)
    }

    /// The largest lane.
    #[inline(always)]
    fn largest(self, value: Self::V) -> f32 {
        fold(self.lanes(value), f32::max)
    }
}

#[inline(always)]
fn fold(mut lanes: [f32; LANES], combine: impl Fn(f32, f32) -> f32) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] = combine(lanes[lane], lanes[lane + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// Work that is written once over [`Simd`]. `run` and everything it calls must be
/// `#[inline(always)]`: only what is inlined is compiled for the instructions at hand.
pub trait Kernel {
    /// What it gives back.
    type Output;

    /// Does the work.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// The instructions that kernels run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstructionSet(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    Portable(Portable),
}

impl InstructionSet {
    /// The fastest that this processor has.
    pub fn best() -> Self {
        static BEST: std::sync::OnceLock<InstructionSet> = std::sync::OnceLock::new();
        *BEST.get_or_init(|| Self::available()[0])
    }

    /// All that this processor has, the fastest first.
    pub fn available() -> Vec<Self> {
        let mut kinds = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            kinds.extend(Avx512::detect().map(Kind::Avx512));
            kinds.extend(Avx2::detect().map(Kind::Avx2));
        }
        kinds.push(Kind::Portable(Portable));
        kinds.into_iter().map(InstructionSet).collect()
    }

    /// Its name: `avx512`, `avx2` or `portable`.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => "avx2",
            Kind::Portable(_) => "portable",
        }
    }

    /// Runs a kernel on these instructions.
    #[inline]
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a value of `Avx512` exists only where the processor was seen to have it.
            Kind::Avx512(simd) => unsafe { avx512::run(simd, kernel) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a value of `Avx2` exists only where the processor was seen to have it.
            Kind::Avx2(simd) => unsafe { avx2::run(simd, kernel) },
            Kind::Portable(simd) => kernel.run(simd),
        }
    }
}
