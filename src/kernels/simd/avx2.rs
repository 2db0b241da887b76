//! Sixteen lanes as two registers of eight: AVX2 with fused multiply-add.

use std::arch::x86_64::*;

use super::{Kernel, LANES, Simd};

/// Proof that the processor has AVX2 and FMA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Avx2(());

impl Avx2 {
    pub fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Avx2(()))
    }
}

/// # Safety
/// The processor must have AVX2 and FMA; a value of [`Avx2`] says so.
#[target_feature(enable = "avx2,fma")]
pub unsafe fn run<K: Kernel>(simd: Avx2, kernel: K) -> K::Output {
    kernel.run(simd)
}

/// One operation on both halves.
macro_rules! halves {
    ($operation:ident, $($operand:ident),+) => {
        // SAFETY: a value of `Avx2` exists only where the processor has these instructions.
        unsafe { ($operation($($operand.0),+), $operation($($operand.1),+)) }
    };
}

impl Simd for Avx2 {
    type V = (__m256, __m256);

    // 6 × 2 registers of sums, 2 of weights, 1 of inputs: 15 of the 16 there are.
    const TILE_ROWS: usize = 6;
    const TILE_VECTORS: usize = 1;

    #[inline(always)]
    fn splat(self, value: f32) -> Self::V {
        // SAFETY: as above.
        let half = unsafe { _mm256_set1_ps(value) };
        (half, half)
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::V {
        // SAFETY: as above, and `from` has sixteen values.
        unsafe { (_mm256_loadu_ps(from.as_ptr()), _mm256_loadu_ps(from.as_ptr().add(8))) }
    }

    #[inline(always)]
    fn store(self, to: &mut [f32; LANES], value: Self::V) {
        // SAFETY: as above, and `to` has room for sixteen values.
        unsafe {
            _mm256_storeu_ps(to.as_mut_ptr(), value.0);
            _mm256_storeu_ps(to.as_mut_ptr().add(8), value.1);
        }
    }

    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        halves!(_mm256_add_ps, a, b)
    }

    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        halves!(_mm256_sub_ps, a, b)
    }

    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        halves!(_mm256_mul_ps, a, b)
    }

    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        halves!(_mm256_div_ps, a, b)
    }

    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        halves!(_mm256_fmadd_ps, a, b, c)
    }

    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        halves!(_mm256_max_ps, a, b)
    }

    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        halves!(_mm256_min_ps, a, b)
    }

    #[inline(always)]
    fn abs(self, a: Self::V) -> Self::V {
        // SAFETY: as above.
        unsafe {
            let sign = _mm256_set1_ps(-0.0);
            (_mm256_andnot_ps(sign, a.0), _mm256_andnot_ps(sign, a.1))
        }
    }

    #[inline(always)]
    fn select_less(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V {
        // SAFETY: as above.
        unsafe {
            let first = _mm256_cmp_ps::<_CMP_LT_OQ>(a.0, b.0);
            let second = _mm256_cmp_ps::<_CMP_LT_OQ>(a.1, b.1);
            (_mm256_blendv_ps(no.0, yes.0, first), _mm256_blendv_ps(no.1, yes.1, second))
        }
    }

    #[inline(always)]
    fn power_of_two(self, n: Self::V) -> Self::V {
        // SAFETY: as above.
        unsafe {
            let bias = _mm256_set1_epi32(127);
            let power = |n: __m256| {
                let exponent = _mm256_add_epi32(_mm256_cvttps_epi32(n), bias);
                _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))
            };
            (power(n.0), power(n.1))
        }
    }
}
