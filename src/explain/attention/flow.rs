//! Attention flow: attention as the capacity of pipes, and how much can flow from each token to `[CLS]`.

use petgraph::Graph;
use petgraph::algo::dinics;
use petgraph::graph::NodeIndex;

use super::{LayerAttention, layers};
use crate::explain::method::{Attribution, AttributionMethod, ExplainError, Family, NoOptions, TokenLimit};
use crate::explain::{Cost, Passes, Subject};
use crate::model::Keep;

/// The largest flow from the last layer's `[CLS]` down to each token.
pub struct AttentionFlow;

/// Each token is a flow of its own, through layers × tokens² pipes. With six layers, two cores take a tenth of a second for
/// 60 tokens, one to two for 125, ten for 190 and half a minute for 250.
const LIMIT: TokenLimit = TokenLimit {
    tokens: 128,
    remedy: "ask for `attention_rollout`, which takes texts of any length, or send a shorter text",
};

/// The capacity of a whole 1. Flows are worked out in whole numbers, so that they are exact: no order of the
/// pipes and no rounding makes them another.
const WHOLE: f64 = (1u64 << 32) as f64;

impl AttributionMethod for AttentionFlow {
    const ID: &'static str = "attention_flow";
    const NAME: &'static str = "Attention flow";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Attention;
    const SUMMARY: &'static str = "How much can flow from each token up to [CLS] through all layers when attention weights are the capacities; each score is 0 to 1, and they do not sum to 1.";
    const FORMULA: &'static str =
        "φ_t = max flow from ([CLS], layer L) to (t, layer 0), capacities Â = ½A + ½I, A the mean over heads";
    const EFFORT: &'static str = "The text's own forward pass, then a flow for each token, in time that grows with tokens³ × layers; up to 128 tokens.";
    const CAUTION: &'static str = "It sees how tokens may mix, not what for: it knows no class and no sign. Each token is measured as if it had all pipes to itself.";
    const SOURCE: &'static str = "Abnar & Zuidema 2020, arXiv:2005.00928";
    const USES_TARGET: bool = false;
    const KEEP: Keep = Keep::Trace;
    const TOKEN_LIMIT: Option<TokenLimit> = Some(LIMIT);
    type Options = NoOptions;

    fn cost(_options: &NoOptions, tokens: usize, _classes: usize) -> Cost {
        // No pass of the network, but a flow takes about as long as one.
        Cost::exactly(Passes::new(tokens, 0), 0)
    }

    fn attribute(
        _options: &NoOptions,
        subject: &Subject,
        _classes: &[usize],
        _seed: u64,
    ) -> Result<Vec<Attribution>, ExplainError> {
        let tokens = subject.tokens();
        let traced = subject.clone();
        let found = move |()| Ok(layers(traced.trace()?, 0)?.iter().map(capacities).collect::<Vec<_>>());
        let layers = subject.map(vec![()], |()| Passes::NONE, found)?.concat();
        let one = move |token| Ok(flow(&layers, token) as f64 / WHOLE);
        let scores = subject.map((0..tokens).collect(), |_| Passes::NONE, one)?;
        Ok(vec![Attribution::of_no_class(scores)])
    }
}

/// ½A + ½I, A the mean over heads, in parts of [`WHOLE`]: `[queries][keys]`.
fn capacities(layer: &LayerAttention) -> Vec<Vec<u64>> {
    let mut attention = layer.mean_head();
    for (index, row) in attention.iter_mut().enumerate() {
        row[index] += 1.0;
    }
    let capacity = |weight: &f64| (0.5 * weight * WHOLE).round() as u64;
    attention.iter().map(|row| row.iter().map(capacity).collect()).collect()
}

/// The largest flow from the first token above all layers down to a token below them. `layers` are capacities
/// from queries to keys, the lowest layer first.
fn flow(layers: &[Vec<Vec<u64>>], token: usize) -> u64 {
    let tokens = layers.first().map_or(0, Vec::len);
    let mut pipes = Graph::<(), u64>::new();
    for _ in 0..(layers.len() + 1) * tokens {
        pipes.add_node(());
    }
    let node = |level: usize, token: usize| NodeIndex::new(level * tokens + token);
    for (level, queries) in layers.iter().enumerate() {
        for (query, keys) in queries.iter().enumerate() {
            // Of the pipes at either end, those that lead elsewhere would only be searched in vain.
            let leads_on = |key: usize| level > 0 || key == token;
            let comes_from = level + 1 < layers.len() || query == 0;
            for (key, capacity) in keys.iter().enumerate() {
                if *capacity > 0 && comes_from && leads_on(key) {
                    pipes.add_edge(node(level + 1, query), node(level, key), *capacity);
                }
            }
        }
    }
    dinics(&pipes, node(layers.len(), 0), node(0, token)).0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::explain::attention::tests::attentions;

    /// The smallest sum of capacities that parts the source from the token, over every way to part them.
    fn smallest_cut(layers: &[Vec<Vec<u64>>], token: usize) -> u64 {
        let tokens = layers[0].len();
        let nodes = (layers.len() + 1) * tokens;
        let (source, sink) = (layers.len() * tokens, token);
        let cut = |above: u32| {
            let mut sum = 0;
            for (level, queries) in layers.iter().enumerate() {
                for (query, keys) in queries.iter().enumerate() {
                    for (key, capacity) in keys.iter().enumerate() {
                        let (from, to) = ((level + 1) * tokens + query, level * tokens + key);
                        if above >> from & 1 == 1 && above >> to & 1 == 0 {
                            sum += capacity;
                        }
                    }
                }
            }
            sum
        };
        let ways = (0..1u32 << nodes).filter(|above| above >> source & 1 == 1 && above >> sink & 1 == 0);
        ways.map(cut).min().unwrap()
    }

    /// The most that flows along one path alone.
    fn widest_path(layers: &[Vec<Vec<u64>>], token: usize) -> u64 {
        let mut widths: Vec<u64> =
            (0..layers[0].len()).map(|t| if t == token { u64::MAX } else { 0 }).collect();
        for queries in layers {
            let through = |keys: &Vec<u64>| keys.iter().zip(&widths).map(|(c, w)| *c.min(w)).max().unwrap();
            widths = queries.iter().map(through).collect();
        }
        widths[0]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        #[test]
        fn the_largest_flow_is_the_smallest_cut(maps in attentions(1..=3, 3..=3)) {
            let layers: Vec<_> = maps.iter().map(capacities).collect();
            for token in 0..3 {
                prop_assert_eq!(flow(&layers, token), smallest_cut(&layers, token));
            }
        }

        #[test]
        fn no_flow_is_more_than_a_whole_or_less_than_its_widest_path(maps in attentions(1..=4, 2..=9)) {
            let layers: Vec<_> = maps.iter().map(capacities).collect();
            for token in 0..layers[0].len() {
                let flow = flow(&layers, token);
                prop_assert!(flow as f64 / WHOLE <= 1.0 + 1e-6);
                prop_assert!(flow >= widest_path(&layers, token));
            }
        }

        #[test]
        fn through_one_layer_flows_what_the_first_token_takes(maps in attentions(1..=1, 1..=9)) {
            let layer = capacities(&maps[0]);
            let flows: Vec<u64> = (0..layer.len()).map(|token| flow(std::slice::from_ref(&layer), token)).collect();
            prop_assert_eq!(&flows, &layer[0]);
        }
    }
}
