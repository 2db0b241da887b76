//! How a text is laid out for the network, whole or in windows, and how what the network says of its windows
//! becomes one word on the text.

use std::sync::Arc;

use super::windows::{Combine, Window, Windows};
use crate::model::{EncodedText, Matrix};

/// The windows of a text; a whole text is its only window.
#[derive(Debug, Clone)]
pub struct Layout {
    windows: Vec<Window>,
    combination: Combination,
    asked: Option<Windows>,
}

/// How the logits of all windows become those of the text. That of a single window is the same whatever the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Combination {
    /// Their mean.
    Mean,
    /// Class by class, the largest; among equals, that of the first window.
    Max,
    /// Class by class, that of a certain window.
    Pinned(Arc<Vec<usize>>),
}

impl Layout {
    /// A text that the model takes whole.
    pub fn whole(text: &EncodedText) -> Self {
        let windows = vec![Window::whole(text.tokens.len())];
        Layout { windows, combination: Combination::Mean, asked: None }
    }

    /// A text in windows.
    pub fn of(windows: Windows, text: &EncodedText) -> Self {
        let combination = match windows.combine {
            Combine::MeanLogits => Combination::Mean,
            Combine::Max => Combination::Max,
        };
        Layout { windows: windows.over(text), combination, asked: Some(windows) }
    }

    /// The windows, in the text's order; never none.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// How their logits become those of the text.
    pub fn combination(&self) -> &Combination {
        &self.combination
    }

    /// What was asked for; none for a whole text.
    pub fn asked(&self) -> Option<&Windows> {
        self.asked.as_ref()
    }

    /// Tokens of the longest window: what a pass runs over at most.
    pub fn longest(&self) -> usize {
        self.windows.iter().map(Window::tokens).max().unwrap_or_default()
    }

    /// One value for each of the text's tokens from those of some windows, each with its index: sums, where windows
    /// share a token, and 0 for tokens of others.
    pub fn summed(&self, mut of_windows: Vec<(usize, Vec<f64>)>) -> Vec<f64> {
        if let ([_], [(_, only)]) = (self.windows.as_slice(), of_windows.as_mut_slice()) {
            return std::mem::take(only);
        }
        let mut sums = vec![0.0; self.tokens()];
        for (window, values) in of_windows {
            self.windows[window].rows().zip(values).for_each(|(row, value)| sums[row] += value);
        }
        sums
    }

    /// The same of rows of a matrix: `[tokens, hidden]`, in single precision.
    pub fn summed_rows(&self, mut of_windows: Vec<(usize, Matrix)>) -> Matrix {
        if let ([_], [(_, only)]) = (self.windows.as_slice(), of_windows.as_mut_slice()) {
            return std::mem::take(only);
        }
        let width = of_windows.first().map_or(0, |(_, matrix)| matrix.width);
        let mut sums = Matrix { values: vec![0.0; self.tokens() * width], width };
        for (window, matrix) in &of_windows {
            self.windows[*window].add_rows(&mut sums, matrix);
        }
        sums
    }

    fn tokens(&self) -> usize {
        self.windows.iter().flat_map(Window::runs).map(|run| run.end).max().unwrap_or_default()
    }
}

impl Combination {
    /// The logits of the text from those of its windows, `[window][label]`.
    pub fn combined(&self, windows: &[Vec<f32>]) -> Vec<f32> {
        if let [only] = windows {
            return only.clone();
        }
        let mean = |label: usize| {
            let sum: f64 = windows.iter().map(|logits| f64::from(logits[label])).sum();
            (sum / windows.len() as f64) as f32
        };
        let labels = windows.first().map_or(0, Vec::len);
        match self {
            Combination::Mean => (0..labels).map(mean).collect(),
            Combination::Max => (0..labels).map(|label| windows[largest(windows, label)][label]).collect(),
            Combination::Pinned(places) => (0..labels).map(|label| windows[places[label]][label]).collect(),
        }
    }

    /// The derivative of an output by the logits of one window, at these logits of all windows, from the one by
    /// those of the text.
    pub fn derivative(&self, windows: &[Vec<f32>], window: usize, of_text: &[f32]) -> Vec<f32> {
        if windows.len() == 1 {
            return of_text.to_vec();
        }
        let of_its_own = |is_its_own: &dyn Fn(usize) -> bool| {
            let slopes = of_text.iter().enumerate();
            slopes.map(|(label, slope)| if is_its_own(label) { *slope } else { 0.0 }).collect()
        };
        match self {
            Combination::Mean => {
                of_text.iter().map(|slope| (f64::from(*slope) / windows.len() as f64) as f32).collect()
            }
            Combination::Max => of_its_own(&|label| largest(windows, label) == window),
            Combination::Pinned(places) => of_its_own(&|label| places[label] == window),
        }
    }

    /// Those of so many windows that the logits of these labels depend on, ascending.
    pub fn windows_of(&self, windows: usize, labels: &[usize]) -> Vec<usize> {
        let is_one_of_theirs = |window: &usize| match self {
            Combination::Mean | Combination::Max => true,
            Combination::Pinned(places) => labels.iter().any(|label| places[*label] == *window),
        };
        (0..windows).filter(is_one_of_theirs).collect()
    }

    /// Whether the derivative is the same at all logits.
    pub fn is_linear(&self) -> bool {
        *self != Combination::Max
    }

    /// The same at these logits and linear everywhere: where the largest counts, the windows that it is of.
    pub fn pinned(&self, windows: &[Vec<f32>]) -> Self {
        match self {
            Combination::Max => {
                let labels = windows.first().map_or(0, Vec::len);
                Combination::Pinned(Arc::new((0..labels).map(|label| largest(windows, label)).collect()))
            }
            linear => linear.clone(),
        }
    }
}

/// The window with the largest logit of a label, the first among equals.
fn largest(windows: &[Vec<f32>], label: usize) -> usize {
    let larger = |best: usize, window: usize| {
        if windows[window][label] > windows[best][label] { window } else { best }
    };
    (0..windows.len()).fold(0, larger)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_largest_logit_of_each_class_counts_and_its_first_window_has_the_derivative() {
        let windows = [vec![1.0, 4.0], vec![3.0, 2.0], vec![3.0, 4.0]];
        assert_eq!(Combination::Max.combined(&windows), [3.0, 4.0]);
        let of = |window| Combination::Max.derivative(&windows, window, &[1.0, -1.0]);
        assert_eq!([of(0), of(1), of(2)], [[0.0, -1.0], [1.0, 0.0], [0.0, 0.0]]);
        let pinned = Combination::Max.pinned(&windows);
        assert_eq!([pinned.windows_of(3, &[0]), pinned.windows_of(3, &[0, 1])], [vec![1], vec![0, 1]]);
        assert_eq!(pinned.combined(&[vec![9.0, 0.5], vec![0.25, 9.0], vec![9.0, 9.0]]), [0.25, 0.5]);
    }

    proptest! {
        #[test]
        fn derivatives_of_windows_are_slopes_of_the_combined_logits(
            logits in prop::collection::vec(prop::collection::vec(-4.0f32..4.0, 3), 1..5),
            window in 0usize..5,
            label in 0usize..3,
        ) {
            let window = window % logits.len();
            let mut moved = logits.clone();
            let step = 1.0 / 64.0;
            moved[window][label] += step;
            let mean = Combination::Mean;
            let pinned = Combination::Max.pinned(&logits);
            prop_assert_eq!(pinned.combined(&logits), Combination::Max.combined(&logits));
            for combination in [mean, pinned] {
                let change = combination.combined(&moved)[label] - combination.combined(&logits)[label];
                let mut of_text = vec![0.0; 3];
                of_text[label] = 1.0;
                let slope = combination.derivative(&logits, window, &of_text)[label];
                prop_assert!((change / step - slope).abs() < 1e-3, "{combination:?}: {change} {slope}");
            }
        }
    }
}
