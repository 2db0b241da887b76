//! Activation functions in double precision, for rules that need more of them than a slope.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, PI, SQRT_2};

use super::config::Activation;

/// f(z) / z, which has a limit at 0 for every activation function here.
pub fn ratio(activation: Activation, z: f64) -> f64 {
    match activation {
        Activation::Gelu => cumulative(z),
        Activation::GeluTanh => 0.5 * (1.0 + tanh_argument(z).tanh()),
        Activation::Relu => f64::from(u8::from(z > 0.0)),
        Activation::Silu => 1.0 / (1.0 + (-z).exp()),
    }
}

/// f(z)
pub fn value(activation: Activation, z: f64) -> f64 {
    z * ratio(activation, z)
}

/// f′(z)
pub fn slope(activation: Activation, z: f64) -> f64 {
    let ratio = ratio(activation, z);
    match activation {
        Activation::Gelu => ratio + z * (-0.5 * z * z).exp() * 0.5 * FRAC_2_SQRT_PI / SQRT_2,
        Activation::GeluTanh => {
            let inner_slope = (2.0 / PI).sqrt() * (1.0 + 3.0 * CUBIC * z * z);
            ratio + 0.5 * z * (1.0 - tanh_argument(z).tanh().powi(2)) * inner_slope
        }
        Activation::Relu => ratio,
        Activation::Silu => ratio + z * ratio * (1.0 - ratio),
    }
}

/// The factor of z³ in the form of GELU with a hyperbolic tangent.
const CUBIC: f64 = 0.044_715;

fn tanh_argument(z: f64) -> f64 {
    (2.0 / PI).sqrt() * (z + CUBIC * z * z * z)
}

/// Φ(z), the normal distribution's cumulative function.
fn cumulative(z: f64) -> f64 {
    0.5 * libm::erfc(-z * FRAC_1_SQRT_2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Activation; 4] = [Activation::Gelu, Activation::GeluTanh, Activation::Relu, Activation::Silu];

    proptest! {
        #[test]
        fn slopes_are_those_of_the_values(z in -6.0f64..6.0) {
            prop_assume!(z.abs() > 1e-3);
            for activation in ALL {
                let step = 1e-5;
                let difference = value(activation, z + step) - value(activation, z - step);
                prop_assert!((difference / (2.0 * step) - slope(activation, z)).abs() < 1e-6, "{activation:?}");
            }
        }
    }

    #[test]
    fn at_zero_every_ratio_is_that_of_its_limit() {
        assert_eq!(ALL.map(|activation| ratio(activation, 0.0)), [0.5, 0.5, 0.0, 0.5]);
    }
}
