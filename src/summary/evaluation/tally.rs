//! What is counted of each method, and of every two of them, while rows go by.

use super::judged::{Agreed, BETTER_THAN_RANDOM_BY, COMPREHENSIVENESS, FIGURES, Judgement, Work};
use super::{
    Behind, CountedWork, FigureMean, MeanPasses, MethodAgreement, MethodCost, MethodEvaluation, RightAndWrong,
};
use crate::explain::Passes;
use crate::summary::resampling::{Contribution, ResampledMean};
use crate::summary::{Interval, Share};

/// A figure over rows, as it is and in every resample.
pub(super) struct FigureTally {
    sum: f64,
    rows: u64,
    missing: u64,
    resampled: ResampledMean,
}

impl FigureTally {
    fn new(resamples: usize) -> Self {
        FigureTally { sum: 0.0, rows: 0, missing: 0, resampled: ResampledMean::new(resamples) }
    }

    /// Adds a row, which counts so often in each resample.
    fn add(&mut self, figure: Option<f64>, weights: &[u8]) {
        match figure {
            None => self.missing += 1,
            Some(figure) => {
                self.sum += figure;
                self.rows += 1;
                self.resampled.add(weights, &Contribution { mean: 0, sum: figure, count: 1.0 });
            }
        }
    }

    pub fn mean(&self) -> Option<f64> {
        (self.rows > 0).then(|| self.sum / self.rows as f64)
    }

    fn told(&self) -> FigureMean {
        let mean = self.mean();
        let interval = mean.and_then(|mean| self.resampled.interval(mean, self.rows));
        FigureMean { mean, interval, rows: self.rows, missing: self.missing }
    }

    /// How far another one of the same rows is above this one.
    fn behind(&self, first: &FigureTally) -> Option<Behind> {
        let mean = first.mean()? - self.mean()?;
        let both = first.resampled.each().zip(self.resampled.each());
        let differences = || both.filter_map(|(first, own)| Some(first? - own?)).collect();
        let interval = (self.rows > 1).then(|| Interval::of(mean, differences())).flatten();
        Some(Behind { mean, interval })
    }
}

/// A method over rows.
pub(super) struct MethodTally {
    rows: u64,
    figures: [FigureTally; FIGURES],
    /// Comprehensiveness where the model is right, and where it is wrong.
    by_prediction: [FigureTally; 2],
    better_than_random: u64,
    expected: Passes,
    /// Rows of which it is known what they are expected to take.
    expected_rows: u64,
    work: Work,
    /// Rows that say what they took.
    work_rows: u64,
}

impl MethodTally {
    pub fn new(resamples: usize) -> Self {
        MethodTally {
            rows: 0,
            figures: std::array::from_fn(|_| FigureTally::new(resamples)),
            by_prediction: std::array::from_fn(|_| FigureTally::new(resamples)),
            better_than_random: 0,
            expected: Passes::NONE,
            expected_rows: 0,
            work: Work { gradients: 0, forwards: 0 },
            work_rows: 0,
        }
    }

    /// Adds a row, which counts so often in each resample: whether the model is right, and what its explanation was
    /// expected to take, where that is known.
    pub fn add(
        &mut self,
        judgement: &Judgement,
        is_right: Option<bool>,
        expected: Option<Passes>,
        weights: &[u8],
    ) {
        self.rows += 1;
        for (tally, figure) in self.figures.iter_mut().zip(judgement.figures) {
            tally.add(figure, weights);
        }
        if let Some(is_right) = is_right {
            let [right, wrong] = &mut self.by_prediction;
            let tally = if is_right { right } else { wrong };
            tally.add(judgement.figures[COMPREHENSIVENESS], weights);
        }
        let is_better = judgement.figures[BETTER_THAN_RANDOM_BY].is_some_and(|figure| figure > 0.0);
        self.better_than_random += u64::from(is_better);
        if let Some(passes) = expected {
            self.expected = self.expected + passes;
            self.expected_rows += 1;
        }
        if let Some(work) = judgement.work {
            self.work.gradients += work.gradients;
            self.work.forwards += work.forwards;
            self.work_rows += 1;
        }
    }

    pub fn comprehensiveness(&self) -> &FigureTally {
        &self.figures[COMPREHENSIVENESS]
    }

    /// What is told of it, beside the best one unless it is that.
    pub fn told(&self, method: &str, first: Option<&MethodTally>, has_labels: bool) -> MethodEvaluation {
        let figure = |place: usize| self.figures[place].told();
        let [right, wrong] = &self.by_prediction;
        let behind = |first: &MethodTally| self.comprehensiveness().behind(first.comprehensiveness());
        MethodEvaluation {
            method: method.to_owned(),
            rows: self.rows,
            comprehensiveness: figure(COMPREHENSIVENESS),
            behind_first: first.and_then(behind),
            sufficiency: figure(1),
            log_odds_drop: figure(2),
            leave_one_out_correlation: figure(3),
            better_than_random_by: figure(BETTER_THAN_RANDOM_BY),
            better_than_random: Share::new(self.better_than_random, self.figures[BETTER_THAN_RANDOM_BY].rows),
            infidelity: figure(5),
            max_sensitivity: figure(6),
            comprehensiveness_by_prediction: has_labels
                .then(|| RightAndWrong { right: right.told(), wrong: wrong.told() }),
            cost: self.cost(),
        }
    }

    fn cost(&self) -> MethodCost {
        let each = |sum: u64, rows: u64| sum as f64 / rows as f64;
        let is_known = self.rows > 0 && self.expected_rows == self.rows;
        MethodCost {
            expected: is_known.then(|| MeanPasses {
                forwards: each(self.expected.forwards, self.rows),
                backwards: each(self.expected.backwards, self.rows),
            }),
            counted: (self.work_rows > 0).then(|| CountedWork {
                rows: self.work_rows,
                gradients: each(self.work.gradients, self.work_rows),
                forwards: each(self.work.forwards, self.work_rows),
            }),
        }
    }
}

/// Two methods over rows.
#[derive(Default)]
pub(super) struct PairTally {
    rows: u64,
    spearman: f64,
    missing: u64,
    overlap: f64,
}

impl PairTally {
    pub fn add(&mut self, agreed: &Agreed) {
        self.rows += 1;
        self.overlap += agreed.overlap;
        match agreed.spearman {
            Some(spearman) => self.spearman += spearman,
            None => self.missing += 1,
        }
    }

    pub fn told(&self, methods: [&str; 2]) -> MethodAgreement {
        let mean = |sum: f64, rows: u64| (rows > 0).then(|| sum / rows as f64);
        MethodAgreement {
            methods: methods.map(str::to_owned),
            rows: self.rows,
            spearman: mean(self.spearman, self.rows - self.missing),
            missing: self.missing,
            overlap: mean(self.overlap, self.rows),
        }
    }
}
