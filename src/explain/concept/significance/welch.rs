//! Whether two means differ.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Welch's test of two samples whose variances may differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Welch {
    /// The difference of the means, first less second, in standard errors.
    pub t: f64,
    /// Degrees of freedom of Student's distribution that t is held against, by Welch and Satterthwaite; at least 1.
    pub degrees_of_freedom: f64,
    /// The probability of a |t| at least as large if the means are the same, 0 to 1.
    pub p_value: f64,
}

/// Tests whether the means of two samples differ; none where either has fewer than two values, where neither varies, or
/// where the numbers leave the range of double precision.
///
/// t = (ā − b̄) / √(u + v) with u = s_a²/n_a and v = s_b²/n_b, on (u + v)² / (u²/(n_a − 1) + v²/(n_b − 1)) degrees of
/// freedom. Source: Welch 1947, "The generalization of 'Student's' problem"; SciPy's `ttest_ind(equal_var=False)`.
pub fn welch(a: &[f64], b: &[f64]) -> Option<Welch> {
    let (first, second) = (Sample::of(a)?, Sample::of(b)?);
    let variance = first.variance_of_mean + second.variance_of_mean;
    let t = (first.mean - second.mean) / variance.sqrt();
    // Shares of the variance, whose squares do not vanish where those of tiny variances do.
    let own = |sample: &Sample| (sample.variance_of_mean / variance).powi(2) / sample.degrees_of_freedom;
    let degrees_of_freedom = 1.0 / (own(&first) + own(&second));
    // Also none for what is not a number: two variances of 0.
    if !(t.is_finite() && degrees_of_freedom.is_finite()) {
        return None;
    }
    let student = StudentsT::new(0.0, 1.0, degrees_of_freedom).ok()?;
    Some(Welch { t, degrees_of_freedom, p_value: (2.0 * student.sf(t.abs())).clamp(0.0, 1.0) })
}

/// What a sample says of the mean of what it was drawn from.
struct Sample {
    mean: f64,
    variance_of_mean: f64,
    degrees_of_freedom: f64,
}

impl Sample {
    /// None for fewer than two values.
    fn of(values: &[f64]) -> Option<Self> {
        let (first, rest) = values.split_first().filter(|(_, rest)| !rest.is_empty())?;
        let count = values.len() as f64;
        // Distances from one of them: those of equal values are exactly 0.
        let shift = rest.iter().map(|value| value - first).sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - first - shift).powi(2)).sum();
        Some(Sample {
            mean: first + shift,
            variance_of_mean: squares / (count - 1.0) / count,
            degrees_of_freedom: count - 1.0,
        })
    }
}
