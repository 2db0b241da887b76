//! The strongest routes from tokens up through the layers to `[CLS]`.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// A route of one token a level, from the embeddings to the last layer's output.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// The product of the weights along it: above 0, up to 1.
    pub weight: f64,
    /// The token at each level, layers + 1 of them; the last one is the first token of the text.
    pub tokens: Vec<usize>,
}

/// The best ways down from a token of a level: by how much, through which token below, by which of its ways.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Way {
    weight: f64,
    below: usize,
    rank: usize,
}

impl Eq for Way {}

impl Ord for Way {
    /// The heavier is the greater; among equals, that through the earlier token.
    fn cmp(&self, other: &Self) -> Ordering {
        let place = |way: &Way| Reverse((way.below, way.rank));
        self.weight.total_cmp(&other.weight).then(place(self).cmp(&place(other)))
    }
}

impl PartialOrd for Way {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The `count` routes of the largest weights, in descending order, from one token or from any, to the first token
/// above all layers; fewer where no more have a weight above 0. `layers` are weights from queries to keys, the
/// lowest layer first.
///
/// The best ways down from a token lead through the best ways down from the tokens below it, so a list of the best
/// for each token is all that a level needs to know of those below.
pub fn strongest(layers: &[Vec<Vec<f64>>], count: usize, from: Option<usize>) -> Vec<Route> {
    let tokens = layers.first().map_or(0, Vec::len);
    let start = |token: usize| match from.is_none_or(|from| from == token) {
        true => vec![Way { weight: 1.0, below: token, rank: 0 }],
        false => Vec::new(),
    };
    let mut levels: Vec<Vec<Vec<Way>>> = vec![(0..tokens).map(start).collect()];
    for (index, layer) in layers.iter().enumerate() {
        let below = &levels[index];
        // Above the last layer only the first token counts.
        let queries = if index + 1 == layers.len() { 1 } else { tokens };
        let level = layer.iter().take(queries).map(|weights| best_ways(weights, below, count)).collect();
        levels.push(level);
    }
    let top = levels.last().and_then(|level| level.first()).map_or(&[][..], Vec::as_slice);
    (0..top.len()).map(|rank| route(&levels, rank)).collect()
}

/// The best ways down from a token, by its weights and the best ways down from those below.
fn best_ways(weights: &[f64], below: &[Vec<Way>], count: usize) -> Vec<Way> {
    let way = |key: usize, rank: usize| {
        let weight = weights[key] * below[key].get(rank)?.weight;
        (weight > 0.0).then_some(Way { weight, below: key, rank })
    };
    let mut next: BinaryHeap<Way> = (0..weights.len()).filter_map(|key| way(key, 0)).collect();
    let mut best = Vec::new();
    while best.len() < count
        && let Some(heaviest) = next.pop()
    {
        next.extend(way(heaviest.below, heaviest.rank + 1));
        best.push(heaviest);
    }
    best
}

/// The route of a rank from the first token of the highest level.
fn route(levels: &[Vec<Vec<Way>>], rank: usize) -> Route {
    let (mut token, mut rank) = (0, rank);
    let weight = levels[levels.len() - 1][token][rank].weight;
    let mut tokens = vec![token];
    for level in levels[1..].iter().rev() {
        let way = level[token][rank];
        (token, rank) = (way.below, way.rank);
        tokens.push(token);
    }
    tokens.reverse();
    Route { weight, tokens }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::explain::attention::rollout::with_residual;
    use crate::explain::attention::tests::attentions;

    /// Every route with a weight above 0, heaviest first.
    fn all(layers: &[Vec<Vec<f64>>], from: Option<usize>) -> Vec<Route> {
        let tokens = layers[0].len();
        let starts = (0..tokens).filter(|token| from.is_none_or(|from| from == *token));
        let mut routes: Vec<Route> = starts.map(|token| Route { weight: 1.0, tokens: vec![token] }).collect();
        for layer in layers {
            routes = routes
                .iter()
                .flat_map(|route| {
                    let key = *route.tokens.last().unwrap();
                    (0..tokens).map(move |query| Route {
                        weight: layer[query][key] * route.weight,
                        tokens: route.tokens.iter().copied().chain([query]).collect(),
                    })
                })
                .collect();
        }
        routes.retain(|route| route.weight > 0.0 && route.tokens.last() == Some(&0));
        routes.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        routes
    }

    proptest! {
        #[test]
        fn the_strongest_routes_are_the_first_of_all(
            maps in attentions(1..=3, 1..=4),
            count in 1usize..30,
            from in prop::option::of(0usize..4),
        ) {
            let layers: Vec<_> = maps.iter().map(with_residual).collect();
            let from = from.filter(|from| *from < layers[0].len());
            let ours = strongest(&layers, count, from);
            let all = all(&layers, from);
            prop_assert_eq!(ours.len(), count.min(all.len()));
            for (ours, theirs) in ours.iter().zip(&all) {
                prop_assert_eq!(ours.weight, theirs.weight);
                prop_assert!(all.contains(ours), "{:?} is no route of that weight", ours);
                prop_assert_eq!(ours.tokens.len(), layers.len() + 1);
            }
            let different: std::collections::HashSet<_> = ours.iter().map(|route| &route.tokens).collect();
            prop_assert_eq!(different.len(), ours.len());
        }
    }

    #[test]
    fn a_route_of_no_weight_is_none() {
        let layers = [vec![vec![1.0, 0.0], vec![0.5, 0.5]]];
        assert_eq!(strongest(&layers, 5, None), [Route { weight: 1.0, tokens: vec![0, 0] }]);
        assert_eq!(strongest(&layers, 5, Some(1)), []);
    }
}
