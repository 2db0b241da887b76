//! Heads that look alike: how far their attention diverges, and groups of those that diverge little.

use std::f64::consts::LN_2;

/// The attention of a head, `[queries, keys]`, ready to be compared.
pub struct Head {
    weights: Vec<f32>,
    keys: usize,
    /// Of each query, in nats.
    entropies: Vec<f64>,
}

impl Head {
    /// Takes `[queries][keys]`, rows summing to 1.
    pub fn new(head: &[Vec<f32>]) -> Self {
        let entropies = head.iter().map(|row| entropy(row.iter().map(|weight| f64::from(*weight)))).collect();
        Head { weights: head.concat(), keys: head.first().map_or(0, Vec::len), entropies }
    }

    /// The Jensen–Shannon divergence of two heads of one text, mean over queries, with logarithms of base 2: 0
    /// (equal) to 1 (they never look at the same token).
    pub fn divergence(&self, other: &Head) -> f64 {
        let of_query = |query: usize| {
            let pairs = self.row(query).iter().zip(other.row(query));
            let middle = entropy(pairs.map(|(ours, theirs)| (f64::from(*ours) + f64::from(*theirs)) / 2.0));
            middle - (self.entropies[query] + other.entropies[query]) / 2.0
        };
        let sum: f64 = (0..self.entropies.len()).map(of_query).sum();
        // Rounding must not lead out of the range.
        (sum / LN_2 / self.entropies.len() as f64).clamp(0.0, 1.0)
    }

    fn row(&self, query: usize) -> &[f32] {
        &self.weights[query * self.keys..][..self.keys]
    }
}

/// −Σ p ln p in nats, with 0 ln 0 = 0.
fn entropy(row: impl Iterator<Item = f64>) -> f64 {
    -row.filter(|p| *p > 0.0).map(|p| p * p.ln()).sum::<f64>()
}

/// Average-linkage clusters: beginning with each alone, the two whose members are closest in the mean become one,
/// as long as that is no further than `threshold`. `distances[i]` are those of i to all before it. Members are in
/// ascending order, and clusters in that of their first members.
pub fn clusters(distances: &[Vec<f64>], threshold: f64) -> Vec<Vec<usize>> {
    let count = distances.len();
    let entry = |i: usize, j: usize| if i == j { 0.0 } else { distances[i.max(j)][i.min(j)] };
    let mut means: Vec<Vec<f64>> = (0..count).map(|i| (0..count).map(|j| entry(i, j)).collect()).collect();
    let mut clusters: Vec<Vec<usize>> = (0..count).map(|member| vec![member]).collect();
    while let Some((first, second)) = closest(&means, &clusters, threshold) {
        let joined = std::mem::take(&mut clusters[second]);
        let (ours, theirs) = (clusters[first].len() as f64, joined.len() as f64);
        let pairs = means[first].iter().zip(&means[second]);
        let joint: Vec<f64> = pairs.map(|(a, b)| (ours * a + theirs * b) / (ours + theirs)).collect();
        means.iter_mut().zip(&joint).for_each(|(row, mean)| row[first] = *mean);
        means[first] = joint;
        clusters[first].extend(joined);
    }
    clusters.retain(|cluster| !cluster.is_empty());
    clusters.iter_mut().for_each(|cluster| cluster.sort_unstable());
    clusters
}

/// The closest two clusters that are no further apart than the threshold; the first of equals.
fn closest(means: &[Vec<f64>], clusters: &[Vec<usize>], threshold: f64) -> Option<(usize, usize)> {
    let there: Vec<usize> = (0..clusters.len()).filter(|cluster| !clusters[*cluster].is_empty()).collect();
    let mut closest: Option<(f64, (usize, usize))> = None;
    for (place, first) in there.iter().enumerate() {
        for second in &there[place + 1..] {
            let distance = means[*first][*second];
            if distance <= threshold && closest.is_none_or(|(least, _)| distance < least) {
                closest = Some((distance, (*first, *second)));
            }
        }
    }
    closest.map(|(_, pair)| pair)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::explain::attention::tests::attentions;

    proptest! {
        #[test]
        fn divergence_is_the_same_both_ways_within_0_and_1_and_0_for_equals(maps in attentions(1..=1, 1..=8)) {
            let [a, b] = [0, 1].map(|head| Head::new(&maps[0].heads[head]));
            prop_assert_eq!(a.divergence(&b), b.divergence(&a));
            prop_assert!((0.0..=1.0).contains(&a.divergence(&b)));
            prop_assert_eq!(a.divergence(&a), 0.0);
        }

        #[test]
        fn every_member_is_in_one_cluster_and_a_threshold_of_1_leaves_one(
            distances in prop::collection::vec(0.0f64..1.0, 36),
            threshold in 0.0f64..1.0,
        ) {
            let triangle: Vec<Vec<f64>> = (0..8).map(|i| distances[i * (i + 1) / 2..][..i].to_vec()).collect();
            let mut members = clusters(&triangle, threshold).concat();
            members.sort_unstable();
            prop_assert_eq!(members, (0..8).collect::<Vec<_>>());
            prop_assert_eq!(clusters(&triangle, 1.0).len(), 1);
        }
    }

    #[test]
    fn heads_that_never_look_at_the_same_token_diverge_by_1() {
        let left = Head::new(&[vec![1.0, 0.0, 0.0], vec![0.5, 0.5, 0.0]]);
        let right = Head::new(&[vec![0.0, 0.25, 0.75], vec![0.0, 0.0, 1.0]]);
        assert!((left.divergence(&right) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn clusters_are_joined_by_the_mean_of_their_distances() {
        // 0 and 1 are close; 2 is within the threshold of 1, but in the mean too far from both.
        let distances = [vec![], vec![0.1], vec![0.9, 0.3], vec![1.0, 1.0, 1.0]];
        assert_eq!(clusters(&distances, 0.5), [vec![0, 1], vec![2], vec![3]]);
        assert_eq!(clusters(&distances, 0.6), [vec![0, 1, 2], vec![3]]);
        assert_eq!(clusters(&distances, 0.0), [[0], [1], [2], [3]]);
    }
}
