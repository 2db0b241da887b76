//! The scale that bars, their whiskers and the frames behind them stand on.

use super::units::bands;
use crate::engine::answer::Explanation;

/// From the farthest that a bar, a whisker or a frame reaches on one side to as far on the other; where all of them reach to
/// one side, from zero.
pub struct Scale {
    farthest: f32,
    both_ways: bool,
}

impl Scale {
    /// The scale of all scores of an explanation.
    pub fn new(explanation: &Explanation) -> Self {
        let errors = explanation.standard_errors.as_deref().unwrap_or_default();
        let errors = errors.iter().copied().chain(std::iter::repeat(0.0));
        let ends = explanation.scores.iter().zip(errors).map(|(score, error)| (score - error, score + error));
        let (low, high) = ends
            .chain(bands(explanation))
            .fold((0.0, 0.0), |(low, high): (f32, f32), end| (low.min(end.0), high.max(end.1)));
        Scale { farthest: high.max(-low), both_ways: low < 0.0 }
    }

    /// Where a number stands: 0 at the left, 1 at the right.
    pub fn place(&self, number: f32) -> f32 {
        let (axis, longest) = if self.both_ways { (0.5, 0.5) } else { (0.0, 1.0) };
        if self.farthest > 0.0 { axis + number / self.farthest * longest } else { axis }
    }

    /// Where a bar from zero to a number begins, and how long it is.
    pub fn bar(&self, number: f32) -> (f32, f32) {
        let (axis, end) = (self.place(0.0), self.place(number));
        (axis.min(end), (end - axis).abs())
    }

    /// Where a frame begins, and how long it is.
    pub fn frame(&self, (low, high): (f32, f32)) -> (f32, f32) {
        let (begin, end) = (self.place(low), self.place(high));
        (begin, (end - begin).max(0.0))
    }

    /// The ends of a whisker.
    pub fn whisker(&self, number: f32, error: f32) -> (f32, f32) {
        (self.place(number - error), self.place(number + error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    fn scale(scores: &[f32], errors: Option<Vec<f32>>) -> Scale {
        let mut explanation = sample::review().explanations.unwrap().remove(0);
        explanation.scores = scores.to_vec();
        explanation.standard_errors = errors;
        Scale::new(&explanation)
    }

    #[test]
    fn bars_of_one_sign_begin_at_the_left_and_of_both_in_the_middle() {
        assert_eq!(scale(&[1.0, 0.5], None).bar(0.5), (0.0, 0.5));
        let both = scale(&[1.0, -0.5], None);
        assert_eq!((both.bar(1.0), both.bar(-0.5)), ((0.5, 0.5), (0.25, 0.25)));
        assert_eq!(scale(&[0.0, 0.0], None).bar(0.0), (0.0, 0.0));
    }

    #[test]
    fn no_whisker_leaves_the_scale() {
        let scale = scale(&[1.0, 0.25], Some(vec![0.5, 0.5]));
        assert_eq!(scale.whisker(1.0, 0.5).1, 1.0);
        assert!(scale.whisker(0.25, 0.5).0 > 0.0 && scale.place(0.0) == 0.5, "one reaches below zero");
    }

    #[test]
    fn no_frame_of_other_baselines_leaves_the_scale() {
        let explanation = sample::judged().explanations.unwrap().remove(0);
        let scale = Scale::new(&explanation);
        for band in bands(&explanation) {
            let (begin, reach) = scale.frame(band);
            assert!(begin >= 0.0 && reach > 0.0 && begin + reach <= 1.00001);
        }
    }
}
