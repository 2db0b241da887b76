//! Rows of weights as they are shown: of which tokens, how many of them, with how many digits.

use super::plan::{AttentionPlan, SpecialTokenRows};
use crate::model::EncodedText;

/// The tokens that have rows and columns, by their indices.
pub fn shown(special_tokens: SpecialTokenRows, text: &EncodedText) -> Vec<usize> {
    let all = text.tokens.iter().enumerate();
    let is_shown = |special: bool| special_tokens == SpecialTokenRows::Include || !special;
    all.filter(|(_, token)| is_shown(token.special)).map(|(index, _)| index).collect()
}

/// How rows are shown.
pub struct Rows<'a> {
    /// The tokens that have rows and columns.
    pub tokens: &'a [usize],
    /// What is asked.
    pub plan: &'a AttentionPlan,
}

impl Rows<'_> {
    /// A map over all tokens as it is shown: shares of a whole, each row by itself.
    pub fn shares<T: Copy + Into<f64>>(&self, map: &[Vec<T>]) -> Vec<Vec<f32>> {
        let row =
            |query: &usize| self.share(&map[*query]).into_iter().map(|share| self.number(share)).collect();
        self.tokens.iter().map(row).collect()
    }

    /// The largest weights of each row with their keys, in descending order, the first of equals first.
    pub fn top<T: Copy + Into<f64>>(&self, map: &[Vec<T>], count: usize) -> Vec<Vec<(usize, f32)>> {
        let row = |query: &usize| {
            let shares = self.share(&map[*query]);
            let told = |place: usize| (self.tokens[place], self.number(shares[place]));
            largest(&shares, count).into_iter().map(told).collect()
        };
        self.tokens.iter().map(row).collect()
    }

    /// A map of lengths, which are no shares of anything.
    pub fn lengths<'a>(&self, row_of: impl Fn(usize) -> &'a [f32]) -> Vec<Vec<f32>> {
        let row = |query: &usize| {
            self.tokens.iter().map(|key| self.number(f64::from(row_of(*query)[*key]))).collect()
        };
        self.tokens.iter().map(row).collect()
    }

    /// The shown keys of a row. Where all of the row's weight is at special tokens, there is nothing to scale.
    fn share<T: Copy + Into<f64>>(&self, row: &[T]) -> Vec<f64> {
        let mut shares: Vec<f64> = self.tokens.iter().map(|key| row[*key].into()).collect();
        let sum: f64 = shares.iter().sum();
        if self.plan.special_tokens == SpecialTokenRows::Renormalise && sum > 0.0 {
            shares.iter_mut().for_each(|share| *share /= sum);
        }
        shares
    }

    fn number(&self, value: f64) -> f32 {
        match self.plan.precision {
            None => value as f32,
            Some(digits) => {
                let scale = 10f64.powi(digits as i32);
                ((value * scale).round() / scale) as f32
            }
        }
    }
}

/// The places of the largest values, in descending order, the first of equals first.
fn largest(values: &[f64], count: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..values.len()).collect();
    let order = |a: &usize, b: &usize| values[*b].total_cmp(&values[*a]).then(a.cmp(b));
    if count < places.len() {
        places.select_nth_unstable_by(count, order);
        places.truncate(count);
    }
    places.sort_unstable_by(order);
    places
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::engine::attention::plan::AttentionRequest;
    use crate::model::{Model, Text};

    fn model() -> Arc<Model> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/three-labels");
        Arc::new(Model::load("three-labels", &path).unwrap())
    }

    fn plan(model: &Arc<Model>, request: AttentionRequest) -> AttentionPlan {
        AttentionPlan::new(model.clone(), request).unwrap()
    }

    /// A map whose rows sum to 1.
    fn map() -> impl Strategy<Value = Vec<Vec<f32>>> {
        prop::collection::vec(prop::collection::vec(0.01f32..1.0, 6), 6).prop_map(|mut rows| {
            rows.iter_mut().for_each(|row| {
                let sum: f32 = row.iter().sum();
                row.iter_mut().for_each(|weight| *weight /= sum);
            });
            rows
        })
    }

    proptest! {
        #[test]
        fn largest_values_come_in_descending_order_and_none_is_larger(
            values in prop::collection::vec(0u8..9, 1..20),
            count in 1usize..20,
        ) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let places = largest(&values, count);
            prop_assert_eq!(places.len(), count.min(values.len()));
            for pair in places.windows(2) {
                let (before, after) = (values[pair[0]], values[pair[1]]);
                prop_assert!(before > after || (before == after && pair[0] < pair[1]));
            }
            let least = values[*places.last().unwrap()];
            let others = (0..values.len()).filter(|place| !places.contains(place));
            prop_assert!(others.map(|place| values[place]).all(|value| value <= least));
        }
    }

    #[test]
    fn rows_are_what_is_left_of_them_scaled_and_rounded_as_asked() {
        let model = model();
        let text = model.encode(Text { first: "the film is good", second: None }, false).unwrap();
        let tokens = text.tokens.len();
        assert!(text.tokens[0].special && text.tokens[tokens - 1].special);
        let of = |special_tokens| AttentionRequest { special_tokens, ..AttentionRequest::default() };
        let inner = shown(SpecialTokenRows::Exclude, &text);
        assert_eq!(inner, (1..tokens - 1).collect::<Vec<_>>());
        assert_eq!(shown(SpecialTokenRows::Include, &text), (0..tokens).collect::<Vec<_>>());
        let excluded = plan(&model, of(SpecialTokenRows::Exclude));
        let scaled = plan(&model, of(SpecialTokenRows::Renormalise));
        let rounded = plan(&model, AttentionRequest { precision: Some(2), ..AttentionRequest::default() });
        proptest!(|(map in map())| {
            let tokens = &[1, 2, 3, 4];
            let left = Rows { tokens, plan: &excluded };
            prop_assert_eq!(&left.shares(&map)[0], &map[1][1..5]);
            let scaled = Rows { tokens, plan: &scaled };
            for row in scaled.shares(&map) {
                prop_assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
            }
            for row in scaled.top(&map, 2) {
                prop_assert!(row.len() == 2 && row[0].1 >= row[1].1);
                prop_assert!(row.iter().all(|(key, _)| tokens.contains(key)));
            }
            let rounded = Rows { tokens: &[0, 1, 2, 3, 4, 5], plan: &rounded };
            for (short, long) in rounded.shares(&map).concat().into_iter().zip(map.concat()) {
                prop_assert!((short - long).abs() <= 0.00501, "{short} of {long}");
                prop_assert!(short.to_string().len() <= 4, "{short} of {long}");
            }
        });
    }

    #[test]
    fn a_row_that_gives_all_to_special_tokens_has_nothing_left_to_scale() {
        let model = model();
        let special_tokens = SpecialTokenRows::Renormalise;
        let plan = plan(&model, AttentionRequest { special_tokens, ..AttentionRequest::default() });
        assert_eq!(Rows { tokens: &[1], plan: &plan }.shares(&[vec![1.0f32, 0.0], vec![1.0, 0.0]]), [[0.0]]);
    }
}
