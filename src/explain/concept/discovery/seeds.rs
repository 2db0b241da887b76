//! Where k-means starts: rows far from each other, by greedy k-means++ (Arthur & Vassilvitskii 2007), several choices of
//! them at a time.

use std::ops::Range;
use std::sync::Arc;

use super::kmeans::{Cloud, Groups, squared_distances};
use super::passes::{each, parts};
use crate::explain::chance::Chance;
use crate::explain::concept::ConceptError;
use crate::explain::crew::Crew;

/// Rows that are tried for each centre, of which the one is taken that leaves the least.
pub(super) fn trials(components: usize) -> usize {
    2 + (components as f64).ln() as usize
}

/// Centres to start from, so many choices of them.
///
/// # Errors
/// [`ConceptError::CalledOff`].
pub(super) fn seeds(
    cloud: &Arc<Cloud>,
    components: usize,
    starts: usize,
    seed: u64,
    crew: &dyn Crew,
) -> Result<Vec<Groups>, ConceptError> {
    let mut choices: Vec<Choice> = (0..starts).map(|start| Choice::new(cloud, start as u32, seed)).collect();
    for chosen in 0..components {
        let count = if chosen == 0 { 1 } else { trials(components) };
        let tried: Vec<Vec<usize>> = choices.iter_mut().map(|choice| choice.draw(count)).collect();
        let centres = Arc::new(tried.iter().flatten().map(|row| cloud.state(*row)).collect::<Vec<_>>());
        let shared = cloud.clone();
        let of_part = move |part: Range<usize>| squared_distances(&shared, part, &centres);
        // For each candidate, the distances of all rows in order.
        let mut distances = vec![Vec::with_capacity(cloud.rows()); starts * count];
        for part in each(crew, parts(cloud.rows()), of_part)? {
            distances.iter_mut().zip(part).for_each(|(all, part)| all.extend(part));
        }
        for ((choice, tried), distances) in choices.iter_mut().zip(&tried).zip(distances.chunks(count)) {
            choice.take_best(tried, distances);
        }
    }
    let groups = |choice: Choice| {
        Groups::new(choice.chosen.iter().map(|row| cloud.state(*row)).collect(), cloud.rows())
    };
    Ok(choices.into_iter().map(groups).collect())
}

/// One choice of rows.
struct Choice {
    chance: Chance,
    chosen: Vec<usize>,
    /// The squared distance of each row from the nearest of them; before there is any, 1.
    nearest: Vec<f64>,
}

impl Choice {
    fn new(cloud: &Cloud, start: u32, seed: u64) -> Self {
        let chance = Chance::new("explaind kmeans v1", seed, &[start]);
        Choice { chance, chosen: Vec::new(), nearest: vec![1.0; cloud.rows()] }
    }

    /// Rows by chance, each as likely as it is far from those that are chosen.
    fn draw(&mut self, count: usize) -> Vec<usize> {
        let mut sums = Vec::with_capacity(self.nearest.len());
        let mut reached = 0.0;
        for distance in &self.nearest {
            reached += distance;
            sums.push(reached);
        }
        let mut row = || {
            let at = self.chance.unit() * reached;
            // All rows are chosen ones where nothing is left: any will do.
            sums.partition_point(|sum| *sum <= at).min(sums.len() - 1)
        };
        (0..count).map(|_| row()).collect()
    }

    /// Takes the candidate that leaves the least, the first of several.
    fn take_best(&mut self, tried: &[usize], distances: &[Vec<f64>]) {
        let is_first = self.chosen.is_empty();
        let left = |distances: &Vec<f64>| -> Vec<f64> {
            let least = |(nearest, distance): (&f64, &f64)| match is_first {
                true => *distance,
                false => nearest.min(*distance),
            };
            self.nearest.iter().zip(distances).map(least).collect()
        };
        let outcomes = tried.iter().zip(distances).map(|(row, distances)| {
            let left = left(distances);
            (left.iter().sum::<f64>(), *row, left)
        });
        if let Some((_, row, left)) = outcomes.min_by(|a, b| a.0.total_cmp(&b.0)) {
            self.chosen.push(row);
            self.nearest = left;
        }
    }
}
