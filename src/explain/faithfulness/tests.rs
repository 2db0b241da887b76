use std::collections::HashSet;

use proptest::prelude::*;

use super::agreement::Agreement;
use super::band::Band;
use super::erasure::{counts, only_strongest, sufficiency, without, without_strongest};
use super::rank::{kendall, spearman};
use super::*;
use crate::explain::attribution::perturbation::game::Coalition;
use crate::explain::chance::Chance;

/// What a text is worth whose parts add up.
fn additive(weights: &[f64], coalition: &Coalition) -> f64 {
    weights.iter().zip(coalition).filter(|(_, is_there)| **is_there).map(|(weight, _)| weight).sum()
}

fn worth(weights: &[f64], coalitions: &[Coalition]) -> Vec<f64> {
    coalitions.iter().map(|coalition| additive(weights, coalition)).collect()
}

/// Comprehensiveness and sufficiency of a ranking of such a text.
fn judged(weights: &[f64], ranking: &[usize]) -> (f64, f64) {
    let whole = weights.iter().sum();
    let without = worth(weights, &without_strongest(ranking));
    let alone = worth(weights, &only_strongest(ranking));
    (comprehensiveness(whole, &without), sufficiency(whole, &alone))
}

/// Different numbers in any order.
fn different(most: usize) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::hash_set(-500i32..500, 2..most)
        .prop_map(|numbers| numbers.into_iter().map(|number| f64::from(number) / 8.0).collect())
}

fn pairs(first: &[f64], second: &[f64]) -> Vec<(f64, f64)> {
    first.iter().copied().zip(second.iter().copied()).collect()
}

proptest! {
    #[test]
    fn correlations_are_symmetric_and_1_for_equal_orders_and_minus_1_for_reversed_ones(
        numbers in different(30),
        others in prop::collection::vec(-5i32..5, 30),
    ) {
        let others: Vec<f64> = others.into_iter().map(f64::from).take(numbers.len()).collect();
        let grown: Vec<f64> = numbers.iter().map(|x| x * x * x + 7.0).collect();
        let fallen: Vec<f64> = grown.iter().map(|x| -x).collect();
        for correlation in [spearman, kendall] {
            prop_assert_eq!(correlation(&pairs(&numbers, &others)), correlation(&pairs(&others, &numbers)));
            let with = |other: &[f64]| correlation(&pairs(&numbers, other)).unwrap();
            prop_assert!((with(&grown) - 1.0).abs() < 1e-12);
            prop_assert!((with(&fallen) + 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn what_is_taken_out_of_an_additive_text_and_what_is_left_of_it_make_the_whole(
        weights in prop::collection::vec(-8.0f64..8.0, 1..60),
        seed: u64,
    ) {
        let ranking = Chance::new("test", seed, &[]).permutation(weights.len());
        let (comprehensiveness, sufficiency) = judged(&weights, &ranking);
        // Without the strongest it loses their sum, with them alone that of the others.
        prop_assert!((comprehensiveness + sufficiency - weights.iter().sum::<f64>()).abs() < 1e-9);
    }

    #[test]
    fn no_ranking_of_an_additive_text_beats_that_by_its_weights(
        weights in prop::collection::vec(-8.0f64..8.0, 1..60),
        seed: u64,
    ) {
        let (best, least) = judged(&weights, &ranking(&weights));
        let other = Chance::new("test", seed, &[]).permutation(weights.len());
        let (comprehensiveness, sufficiency) = judged(&weights, &other);
        prop_assert!(best >= comprehensiveness - 1e-9 && least <= sufficiency + 1e-9);
    }

    #[test]
    fn the_weights_of_an_additive_text_are_faithful_in_every_way(weights in different(40), seed: u64) {
        let whole = weights.iter().sum();
        let alone = worth(&weights, &leave_one_out::coalitions(weights.len()));
        prop_assert!((leave_one_out::correlation(&weights, whole, &alone).unwrap() - 1.0).abs() < 1e-12);
        let subsets = infidelity::subsets(weights.len(), seed, &[]);
        let change = |subset: &Vec<usize>| whole - additive(&weights, &without(weights.len(), subset));
        let changes: Vec<f64> = subsets.iter().map(change).collect();
        prop_assert!(infidelity::infidelity(&weights, &subsets, &changes) < 1e-18);
        let doubled: Vec<f64> = weights.iter().map(|weight| 2.0 * weight).collect();
        let missed = changes.iter().map(|change| change * change).sum::<f64>() / changes.len() as f64;
        prop_assert!((infidelity::infidelity(&doubled, &subsets, &changes) - missed).abs() <= 1e-9 * missed);
    }

    #[test]
    fn a_ranking_asks_for_ten_texts_at_most(scores in prop::collection::vec(-1.0f64..1.0, 1..300)) {
        let coalitions = erasure::coalitions(&ranking(&scores));
        prop_assert_eq!(coalitions.len(), 10);
        for (removed, kept) in without_strongest(&ranking(&scores)).iter().zip(only_strongest(&ranking(&scores))) {
            prop_assert!(removed.iter().zip(kept).all(|(removed, kept)| *removed != kept), "one is the rest of the other");
        }
    }

    #[test]
    fn what_is_drawn_is_fixed_by_the_seed_and_within_the_text(parts in 1usize..40, seed: u64) {
        for ranking in control::rankings(parts, seed, &[3]) {
            prop_assert_eq!(ranking.iter().collect::<HashSet<_>>().len(), parts);
        }
        for subset in infidelity::subsets(parts, seed, &[3]) {
            prop_assert!((1..=parts).contains(&subset.len()));
            prop_assert_eq!(subset.iter().collect::<HashSet<_>>().len(), subset.len());
        }
        prop_assert_eq!(control::rankings(parts, seed, &[3]), control::rankings(parts, seed, &[3]));
        if parts > 10 {
            prop_assert_ne!(control::rankings(parts, seed, &[3]), control::rankings(parts, seed ^ 1, &[3]));
            prop_assert_ne!(control::rankings(parts, seed, &[3]), control::rankings(parts, seed, &[4]));
        }
    }

    #[test]
    fn a_text_is_moved_by_the_radius_at_most(entries in prop::collection::vec(-3.0f32..3.0, 1..50), seed: u64) {
        let moved = sensitivity::moved(&entries, &mut Chance::new("test", seed, &[]));
        for (own, moved) in entries.iter().zip(&moved) {
            prop_assert!(f64::from((own - moved).abs()) <= sensitivity::RADIUS + 1e-6);
        }
        prop_assert!(moved != entries);
    }

    #[test]
    fn agreement_is_mutual_and_whole_with_oneself(first in different(30), seed: u64) {
        let second: Vec<f64> =
            Chance::new("test", seed, &[]).permutation(first.len()).into_iter().map(|place| first[place]).collect();
        prop_assert_eq!(Agreement::new(&first, &second), Agreement::new(&second, &first));
        let own = Agreement::new(&first, &first);
        prop_assert_eq!((own.k, own.overlap), (first.len().min(5), 1.0));
        prop_assert!(own.spearman.is_none_or(|spearman| (spearman - 1.0).abs() < 1e-12));
        prop_assert!(own.sign_agreement.is_none_or(|share| share == 1.0));
        prop_assert!(!own.is_disagreement());
    }
}

#[test]
fn shares_are_rounded_up_to_at_least_one_part() {
    assert_eq!(counts(1), [1, 1, 1, 1, 1]);
    assert_eq!(counts(10), [1, 1, 1, 2, 5]);
    assert_eq!(counts(11), [1, 1, 2, 3, 6]);
    assert_eq!(counts(100), [1, 5, 10, 20, 50]);
    assert_eq!(counts(101), [2, 6, 11, 21, 51]);
}

#[test]
fn comprehensiveness_of_four_parts_is_what_arithmetic_says() {
    let weights = [1.0, 8.0, -2.0, 4.0];
    // One part of four for each share but the largest, which is two.
    let (comprehensiveness, sufficiency) = judged(&weights, &ranking(&weights));
    assert_eq!(ranking(&weights), [1, 3, 0, 2]);
    assert_eq!(comprehensiveness, (4.0 * 8.0 + 12.0) / 5.0);
    assert_eq!(sufficiency, (4.0 * 3.0 - 1.0) / 5.0);
}

#[test]
fn equals_are_ranked_in_the_order_of_the_text() {
    assert_eq!(ranking(&[0.0, 1.0, -0.0, 1.0, 0.0]), [1, 3, 0, 2, 4]);
}

#[test]
fn what_is_not_defined_is_none() {
    assert_eq!(leave_one_out::correlation(&[1.0], 1.0, &[0.5]), None, "one part");
    assert_eq!(leave_one_out::correlation(&[1.0, 1.0], 1.0, &[0.5, 0.25]), None, "constant scores");
    assert_eq!(leave_one_out::correlation(&[1.0, 2.0], 1.0, &[0.5, 0.5]), None, "a constant output");
    assert_eq!(sensitivity::change(&[0.0, 0.0], &[1.0, 0.0]), None, "all scores 0");
    assert_eq!(sensitivity::change(&[3.0, 4.0], &[3.0, 4.0]), Some(0.0));
    assert_eq!(sensitivity::change(&[3.0, 4.0], &[0.0, 8.0]), Some(1.0));
    let one = Agreement::new(&[-1.0], &[-2.0]);
    assert_eq!((one.spearman, one.k, one.overlap, one.sign_agreement), (None, 1, 1.0, Some(1.0)));
}

#[test]
fn sizes_are_compared_where_a_method_knows_no_direction() {
    let is = |correlation: Option<f64>, value: f64| (correlation.unwrap() - value).abs() < 1e-12;
    let (signed, sizes) = ([-4.0, 1.0, -2.0, 3.0], [4.0, 1.0, 2.0, 3.0]);
    let agreement = Agreement::new(&signed, &sizes);
    assert!(is(agreement.spearman, 1.0), "{agreement:?}");
    assert_eq!(agreement.sign_agreement, None);
    let opposed = Agreement::new(&signed, &signed.map(|score| -score));
    assert!(is(opposed.spearman, -1.0), "{opposed:?}");
    assert_eq!((opposed.sign_agreement, opposed.overlap), (Some(0.0), 1.0));
    assert!(opposed.is_disagreement());
}

#[test]
fn methods_that_share_one_of_five_strongest_parts_disagree() {
    let strongest = |from: usize| -> Vec<f64> {
        (0..20).map(|part| if (from..from + 5).contains(&part) { 10.0 } else { part as f64 / 20.0 }).collect()
    };
    let one_shared = Agreement::new(&strongest(0), &strongest(4));
    assert_eq!(one_shared.overlap, 0.2);
    assert!(one_shared.is_disagreement());
    let two_shared = Agreement::new(&strongest(0), &strongest(3));
    assert_eq!((two_shared.overlap, two_shared.is_disagreement()), (0.4, two_shared.spearman.unwrap() < 0.0));
}

#[test]
fn a_band_is_sensitive_where_the_strongest_turns_or_the_order_changes() {
    let band = |strongest_turns, least_correlation| Band {
        baselines: vec!["mask"],
        low: vec![-1.0],
        high: vec![1.0],
        strongest_turns,
        least_correlation,
    };
    assert!(band(true, Some(1.0)).is_sensitive());
    assert!(band(false, Some(0.49)).is_sensitive());
    assert!(!band(false, Some(0.5)).is_sensitive());
    assert!(!band(false, None).is_sensitive());
}
