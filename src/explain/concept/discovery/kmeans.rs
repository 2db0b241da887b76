//! k-means (Lloyd 1982): groups of rows, each row in that whose mean is nearest. The best of several starts.

use std::ops::Range;
use std::sync::Arc;

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};

use super::passes::{blocks, centred, each, parts};
use super::{Component, Found, Seeking, seeds, unit};
use crate::explain::concept::ConceptError;
use crate::explain::crew::Crew;
use crate::model::Matrix;

/// Starts of which the best is told.
const STARTS: usize = 10;

/// A loss below this share of the rows' variance is rounding.
const NOTHING: f64 = 1e-13;

/// A squared distance below this share of the squared lengths is rounding.
const ROUNDING: f64 = 1e-12;

/// Rows whose variance is below this share of Σ ‖row‖² are the same but for rounding: far less than single precision can
/// tell apart.
const SAME: f64 = 1e-24;

pub(super) fn discover(
    rows: &Arc<Matrix>,
    seeking: &Seeking,
    crew: &dyn Crew,
) -> Result<Found, ConceptError> {
    let cloud = Arc::new(Cloud::new(rows));
    let variance = cloud.lengths.iter().sum::<f64>();
    let energy = rows.values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>();
    if variance <= SAME * energy {
        return Err(ConceptError::Singular);
    }
    let mut starts = seeds::seeds(&cloud, seeking.components, STARTS, seeking.seed, crew)?;
    for iteration in 0..=seeking.iterations {
        starts = assign(&cloud, starts, crew)?;
        for groups in starts.iter_mut().filter(|groups| !groups.converged) {
            groups.settle(seeking.tolerance, NOTHING * variance);
        }
        let is_last = iteration == seeking.iterations || starts.iter().all(|groups| groups.converged);
        if is_last {
            break;
        }
        let shared = cloud.clone();
        starts = each(crew, starts, move |groups: Groups| match groups.converged {
            true => groups,
            false => groups.moved(&shared),
        })?;
    }
    let best = starts.into_iter().min_by(|a, b| a.loss.total_cmp(&b.loss)).ok_or(ConceptError::Singular)?;
    Ok(Found {
        components: best.components(&cloud, variance),
        loss: best.loss,
        explained: (1.0 - best.loss / variance).max(0.0),
        iterations: best.moves,
        converged: best.converged,
    })
}

pub(super) fn work(rows: usize, hidden: usize, seeking: &Seeking) -> f64 {
    let values = rows as f64 * hidden as f64 * STARTS as f64;
    let components = seeking.components as f64;
    let starting = 2.0 * components * seeds::trials(seeking.components) as f64;
    values * (starting + (seeking.iterations as f64 + 1.0) * (2.0 * components + 1.0))
}

/// Rows around their mean.
pub(super) struct Cloud {
    matrix: Arc<Matrix>,
    mean: Vec<f64>,
    /// Of each row less the mean, ‖·‖².
    lengths: Vec<f64>,
}

impl Cloud {
    fn new(rows: &Arc<Matrix>) -> Self {
        let mut mean = vec![0.0; rows.width];
        for row in rows.iter() {
            mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        mean.iter_mut().for_each(|sum| *sum /= rows.rows() as f64);
        let square = |(value, mean): (&f32, &f64)| (f64::from(*value) - mean).powi(2);
        let lengths = rows.iter().map(|row| row.iter().zip(&mean).map(square).sum()).collect();
        Cloud { matrix: rows.clone(), mean, lengths }
    }

    pub(super) fn rows(&self) -> usize {
        self.lengths.len()
    }

    /// A row less the mean.
    pub(super) fn state(&self, row: usize) -> Vec<f64> {
        centred(&self.matrix, &self.mean, row..row + 1)
    }
}

/// ‖row − centre‖² for each centre and each row of a part.
pub(super) fn squared_distances(cloud: &Cloud, part: Range<usize>, centres: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let width = cloud.mean.len();
    let lengths: Vec<f64> =
        centres.iter().map(|centre| centre.iter().map(|value| value * value).sum()).collect();
    let columns = centres.concat();
    let columns = MatRef::from_column_major_slice(&columns, width, centres.len());
    let mut distances = vec![Vec::with_capacity(part.len()); centres.len()];
    for block in blocks(part) {
        let values = centred(&cloud.matrix, &cloud.mean, block.clone());
        let states = MatRef::from_row_major_slice(&values, block.len(), width);
        let mut products = Mat::zeros(block.len(), centres.len());
        matmul(&mut products, Accum::Replace, states, columns, 1.0, Par::Seq);
        for (centre, distances) in distances.iter_mut().enumerate() {
            let rows = products.col(centre).iter().zip(&cloud.lengths[block.clone()]);
            distances.extend(rows.map(|(product, length)| {
                let lengths = length + lengths[centre];
                let distance = lengths - 2.0 * product;
                // So that rows which are the same never fall apart.
                if distance > ROUNDING * lengths { distance } else { 0.0 }
            }));
        }
    }
    distances
}

/// Puts every row into the group whose centre is nearest, for all choices of groups that have not settled.
fn assign(cloud: &Arc<Cloud>, mut starts: Vec<Groups>, crew: &dyn Crew) -> Result<Vec<Groups>, ConceptError> {
    let open: Vec<usize> = (0..starts.len()).filter(|start| !starts[*start].converged).collect();
    let centres: Arc<Vec<Vec<f64>>> =
        Arc::new(open.iter().flat_map(|start| starts[*start].centres.clone()).collect());
    let components = centres.len() / open.len().max(1);
    let shared = cloud.clone();
    let of_part = move |part: Range<usize>| {
        let distances = squared_distances(&shared, part.clone(), &centres);
        let nearest = |distances: &[Vec<f64>]| (0..part.len()).map(|row| nearest(distances, row)).collect();
        distances.chunks(components).map(nearest).collect::<Vec<Vec<(usize, f64)>>>()
    };
    let found = each(crew, parts(cloud.rows()), of_part)?;
    for (place, start) in open.into_iter().enumerate() {
        starts[start].nearest = found.iter().flat_map(|part| part[place].iter().copied()).collect();
    }
    Ok(starts)
}

/// The first of the nearest centres of a row, and its squared distance.
fn nearest(distances: &[Vec<f64>], row: usize) -> (usize, f64) {
    let centres = distances.iter().map(|distances| distances[row]).enumerate();
    centres.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or_default()
}

/// One choice of groups.
pub(super) struct Groups {
    centres: Vec<Vec<f64>>,
    /// The group of each row, and its squared distance from the centre.
    nearest: Vec<(usize, f64)>,
    loss: f64,
    moves: usize,
    converged: bool,
}

impl Groups {
    pub(super) fn new(centres: Vec<Vec<f64>>, rows: usize) -> Self {
        Groups { centres, nearest: vec![(0, 0.0); rows], loss: f64::INFINITY, moves: 0, converged: false }
    }

    /// Notes the loss of a new assignment, and whether there is more to gain.
    fn settle(&mut self, tolerance: f64, nothing: f64) {
        let before = self.loss;
        self.loss = self.nearest.iter().map(|(_, distance)| distance).sum();
        self.converged = before - self.loss <= tolerance * before.min(f64::MAX) || self.loss <= nothing;
    }

    /// The groups with their centres at their rows' means. Empty ones get the row that is farthest from its centre.
    fn moved(mut self, cloud: &Cloud) -> Self {
        let mut counts = self.counts();
        for empty in 0..self.centres.len() {
            if counts[empty] == 0 {
                let stray = |row: &usize| counts[self.nearest[*row].0] > 1 && self.nearest[*row].1 > 0.0;
                let far =
                    |a: &usize, b: &usize| self.nearest[*a].1.total_cmp(&self.nearest[*b].1).then(b.cmp(a));
                if let Some(row) = (0..cloud.rows()).filter(stray).max_by(far) {
                    counts[self.nearest[row].0] -= 1;
                    counts[empty] = 1;
                    self.nearest[row] = (empty, 0.0);
                }
            }
        }
        let mut sums = vec![vec![0.0; cloud.mean.len()]; self.centres.len()];
        for (row, (group, _)) in cloud.matrix.iter().zip(&self.nearest) {
            let values = row.iter().zip(&cloud.mean);
            sums[*group]
                .iter_mut()
                .zip(values)
                .for_each(|(sum, (value, mean))| *sum += f64::from(*value) - mean);
        }
        for ((centre, sum), count) in self.centres.iter_mut().zip(sums).zip(counts) {
            if count > 0 {
                *centre = sum.into_iter().map(|sum| sum / count as f64).collect();
            }
        }
        Groups { moves: self.moves + 1, ..self }
    }

    /// Rows of each group.
    fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.centres.len()];
        self.nearest.iter().for_each(|(group, _)| counts[*group] += 1);
        counts
    }

    /// The groups as directions, the one with most rows first; of several, that which has the first row.
    fn components(&self, cloud: &Cloud, variance: f64) -> Vec<Component> {
        let counts = self.counts();
        let scale = (variance / cloud.rows() as f64).sqrt();
        let first = |group: usize| self.nearest.iter().position(|(nearest, _)| *nearest == group);
        let mut order: Vec<usize> = (0..counts.len()).filter(|group| counts[*group] > 0).collect();
        order.sort_by_key(|group| (std::cmp::Reverse(counts[*group]), first(*group)));
        let component = |group: usize| {
            let (vector, _) = unit(&self.centres[group], scale)?;
            let along = |row: &[f32]| {
                let values = row.iter().zip(&cloud.mean).zip(&vector);
                values
                    .map(|((value, mean), along)| (f64::from(*value) - mean) * f64::from(*along))
                    .sum::<f64>() as f32
            };
            Some(Component {
                activations: cloud.matrix.iter().map(along).collect(),
                vector,
                size: counts[group],
            })
        };
        order.into_iter().filter_map(component).collect()
    }
}
