//! How fast a model runs on this machine: measured at start, and kept right by what work really takes.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use candle_core::Result;

use crate::explain::Passes;
use crate::model::{Cotangent, Keep, Model, Wanted};

/// A model's pace on one thread.
#[derive(Debug)]
pub struct Pace {
    forward: Curve,
    backward: Curve,
    /// What work of late took, as a share of what the curves say.
    correction: Mutex<f64>,
}

/// Seconds of a pass by its tokens: linear layers grow with the tokens, attention with their square.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Curve {
    linear: f64,
    quadratic: f64,
}

/// Lengths at which a model is measured: about the shortest that fills a matrix product, and a long one.
const LENGTHS: [usize; 2] = [32, 128];

/// A pass that took longer is not run twice to see if it can do better.
const LONG: Duration = Duration::from_millis(50);

/// How much the latest work moves the correction, if it took so many seconds or more; less, if less.
const WEIGHT: f64 = 0.05;
const FULL_WEIGHT: f64 = 0.1;

/// One piece of work counts as this much faster or slower than expected at most: a pause of the machine is
/// no pace.
const MOST_OFF: f64 = 4.0;

impl Pace {
    /// Measures a model: a few passes forward and backward. One that does not run takes no time until the
    /// requests for it say why.
    pub fn measure(model: &Model) -> Self {
        let [short, long] = LENGTHS.map(|tokens| tokens.min(model.config().positions));
        let at_short = best_passes(model, short).unwrap_or_default();
        let at_long = best_passes(model, long).unwrap_or_default();
        let curve =
            |pass: usize| Curve::through((short as f64, at_short[pass]), (long as f64, at_long[pass]));
        Pace { forward: curve(0), backward: curve(1), correction: Mutex::new(1.0) }
    }

    /// A pace that nobody asks for: everything takes no time.
    pub fn unknown() -> Self {
        let none = Curve { linear: 0.0, quadratic: 0.0 };
        Pace { forward: none, backward: none, correction: Mutex::new(1.0) }
    }

    /// Seconds that one thread needs for these passes, each over so many tokens.
    pub fn seconds(&self, passes: Passes, tokens: usize) -> f64 {
        let tokens = tokens as f64;
        let forward = passes.forwards as f64 * self.forward.at(tokens);
        let backward = passes.backwards as f64 * self.backward.at(tokens);
        self.correction() * (forward + backward)
    }

    /// Seconds that one thread needs for these passes, run together as one unit of work. A few rows take as
    /// long as those that fill a matrix product.
    pub fn unit_seconds(&self, passes: Passes, tokens: usize) -> f64 {
        let least = Passes { forwards: passes.forwards.min(1), backwards: passes.backwards.min(1) };
        self.seconds(passes, tokens).max(self.seconds(least, LENGTHS[0]))
    }

    /// Work that was expected to take so many seconds took so many.
    pub fn learn(&self, expected: f64, real: f64) {
        if expected > 0.0 {
            let off = (real / expected).clamp(1.0 / MOST_OFF, MOST_OFF);
            let weight = WEIGHT * (expected / FULL_WEIGHT).min(1.0);
            *self.correction.lock().unwrap_or_else(PoisonError::into_inner) *= 1.0 + weight * (off - 1.0);
        }
    }

    fn correction(&self) -> f64 {
        *self.correction.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A pace without a model: seconds for each token of a pass forward, twice that backward.
    #[cfg(test)]
    pub fn of(seconds_a_token: f64) -> Self {
        let curve = |linear| Curve { linear, quadratic: 0.0 };
        Pace {
            forward: curve(seconds_a_token),
            backward: curve(2.0 * seconds_a_token),
            correction: Mutex::new(1.0),
        }
    }
}

impl Curve {
    /// The curve through two points; a straight line where noise would bend it downwards.
    fn through((short, at_short): (f64, f64), (long, at_long): (f64, f64)) -> Self {
        let rates = (at_short / short, at_long / long);
        let quadratic = (rates.1 - rates.0) / (long - short);
        match quadratic.is_finite() && quadratic > 0.0 && rates.0 > quadratic * short {
            true => Curve { linear: rates.0 - quadratic * short, quadratic },
            false => Curve { linear: rates.1, quadratic: 0.0 },
        }
    }

    fn at(self, tokens: f64) -> f64 {
        tokens * (self.linear + tokens * self.quadratic)
    }
}

/// Seconds of a forward and of a backward pass, each the better of two.
fn best_passes(model: &Model, tokens: usize) -> Result<[f64; 2]> {
    let first = passes(model, tokens)?;
    if first.iter().sum::<f64>() > LONG.as_secs_f64() {
        return Ok(first);
    }
    let second = passes(model, tokens)?;
    Ok([first[0].min(second[0]), first[1].min(second[1])])
}

fn passes(model: &Model, tokens: usize) -> Result<[f64; 2]> {
    let encoder = model.encoder();
    let batch = encoder.batch(&vec![0; tokens], &vec![0; tokens])?;
    let started = Instant::now();
    let trace = encoder.forward(&batch, Keep::Gradients)?;
    let forward = started.elapsed().as_secs_f64();
    encoder.backward(&trace, &Cotangent::logit(&trace, 0)?, &Wanted::word_embeddings())?;
    Ok([forward, started.elapsed().as_secs_f64() - forward])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_goes_through_what_was_measured_and_never_bends_down() {
        let curve = Curve::through((32.0, 0.010), (128.0, 0.060));
        assert!((curve.at(32.0) - 0.010).abs() < 1e-9 && (curve.at(128.0) - 0.060).abs() < 1e-9);
        assert!(curve.at(512.0) > 4.0 * 0.060);
        let noisy = Curve::through((32.0, 0.020), (128.0, 0.060));
        assert_eq!(noisy.quadratic, 0.0);
        assert!((noisy.at(128.0) - 0.060).abs() < 1e-9);
        let one_length = Curve::through((16.0, 0.010), (16.0, 0.010));
        assert!((one_length.at(32.0) - 0.020).abs() < 1e-9, "a model may take no more than that");
    }

    #[test]
    fn a_pace_follows_what_work_really_takes() {
        let pace = Pace::of(1e-3);
        let work = Passes::new(10, 5);
        assert!((pace.seconds(work, 10) - 0.2).abs() < 1e-9);
        for _ in 0..200 {
            pace.learn(pace.seconds(work, 10), 0.6);
        }
        assert!((pace.seconds(work, 10) - 0.6).abs() < 0.01);
        pace.learn(pace.seconds(work, 10), 60.0);
        assert!(pace.seconds(work, 10) < 0.75, "one pause does not spoil it");
        let before = pace.seconds(work, 10);
        pace.learn(1e-4, 1e-2);
        pace.learn(0.0, 1.0);
        assert!((pace.seconds(work, 10) / before - 1.0).abs() < 1e-3, "short work says little of long work");
    }

    #[test]
    fn a_few_rows_take_as_long_as_those_that_fill_a_product() {
        let pace = Pace::of(1e-3);
        assert_eq!(pace.unit_seconds(Passes::FORWARD, 6), pace.seconds(Passes::FORWARD, 32));
        assert_eq!(pace.unit_seconds(Passes::new(10, 10), 6), pace.seconds(Passes::new(10, 10), 6));
        assert_eq!(pace.unit_seconds(Passes::NONE, 6), 0.0);
    }
}
