//! The methods on games without a text, where the right answer is known.

use proptest::prelude::*;

use super::exact_shapley::shapley;
use super::game::Coalition;
use super::kernel_shap::Sample;
use super::lime::Surroundings;
use super::partition_shap::Owen;
use super::report::Estimate;
use super::shapley_sampling::estimates;
use super::tree::Tree;
use super::worths::Worths;
use super::{leave_one_out, occlusion};
use crate::explain::chance::Chance;

/// Scores of all players of a game.
type Solver = fn(&[f64]) -> Vec<f64>;

/// The methods whose scores share out what everyone is worth.
const SHARING: [(&str, Solver); 5] = [
    ("exact_shapley", exact),
    ("shapley_sampling", sampled),
    ("kernel_shap", kernel),
    ("kernel_shap from samples", kernel_of_few),
    ("partition_shap", partition),
];

const OTHERS: [(&str, Solver); 3] =
    [("leave_one_out", left_out), ("occlusion", occluded), ("lime", lime_barely_penalised)];

fn all() -> impl Iterator<Item = (&'static str, Solver)> {
    SHARING.into_iter().chain(OTHERS)
}

fn number(coalition: &Coalition) -> usize {
    coalition.iter().enumerate().map(|(player, member)| usize::from(*member) << player).sum()
}

/// The game whose coalitions are worth what stands at the number that has their members for bits.
fn worths(table: &[f64]) -> Worths<'_> {
    Worths::new(|coalitions: &[Coalition]| {
        Ok(coalitions.iter().map(|coalition| vec![table[number(coalition)]]).collect())
    })
}

fn players(table: &[f64]) -> usize {
    table.len().ilog2() as usize
}

fn chance() -> Chance {
    Chance::new("test", 7, &[])
}

fn exact(table: &[f64]) -> Vec<f64> {
    shapley(players(table), &mut worths(table)).unwrap().remove(0)
}

fn sampled(table: &[f64]) -> Vec<f64> {
    sampling(table, 8, &mut chance()).scores
}

fn sampling(table: &[f64], permutations: usize, chance: &mut Chance) -> Estimate {
    estimates(players(table), permutations, chance, &mut worths(table)).unwrap().remove(0)
}

fn kernel(table: &[f64]) -> Vec<f64> {
    regression(table, 16384, &mut chance()).scores
}

/// With too few samples for more than seven players.
fn kernel_of_few(table: &[f64]) -> Vec<f64> {
    regression(table, 128, &mut chance()).scores
}

fn regression(table: &[f64], samples: usize, chance: &mut Chance) -> Estimate {
    let sample = Sample::new(players(table), samples, chance);
    let mut worths = worths(table);
    let ends = worths.ends(players(table)).unwrap();
    let of_sample = worths.of(&sample.coalitions).unwrap();
    sample.estimates(&ends, &of_sample).unwrap().remove(0)
}

fn tree(players: usize) -> Tree {
    Tree::over((0..players).map(Tree::leaf).collect()).unwrap()
}

fn partition(table: &[f64]) -> Vec<f64> {
    partition_within(table, 16384).0
}

fn partition_within(table: &[f64], max_forwards: usize) -> (Vec<f64>, usize) {
    let mut worths = worths(table);
    let ends = worths.ends(players(table)).unwrap()[0];
    let mut owen = Owen::new(players(table), 0, &mut worths);
    owen.share_out(&tree(players(table)), ends, max_forwards).unwrap();
    (owen.scores, owen.forwards)
}

fn left_out(table: &[f64]) -> Vec<f64> {
    leave_one_out::losses(players(table), &mut worths(table)).unwrap().remove(0)
}

fn occluded(table: &[f64]) -> Vec<f64> {
    let windows: Vec<_> = (0..players(table)).map(|player| player..player + 1).collect();
    occlusion::losses(players(table), &windows, &mut worths(table)).unwrap().remove(0)
}

fn lime_barely_penalised(table: &[f64]) -> Vec<f64> {
    let surroundings = Surroundings::new(players(table), 512, &mut chance());
    let worths = worths(table).of(&surroundings.coalitions).unwrap();
    surroundings.estimates(&worths, 25.0, 1e-6).unwrap().remove(0).scores
}

/// The game in which everyone brings the same to any coalition.
fn additive(start: f64, weights: &[f64]) -> Vec<f64> {
    let member = |set: usize, player: usize| set >> player & 1 == 1;
    let worth = |set: usize| {
        start
            + (0..weights.len())
                .filter(|player| member(set, *player))
                .map(|player| weights[player])
                .sum::<f64>()
    };
    (0..1 << weights.len()).map(worth).collect()
}

/// The mean of what each player adds on its arrival, over some orders: the definition of such values.
fn mean_over(orders: &[Vec<usize>], table: &[f64]) -> Vec<f64> {
    let mut means = vec![0.0; players(table)];
    for order in orders {
        let mut set = 0;
        for player in order {
            means[*player] += (table[set | 1 << player] - table[set]) / orders.len() as f64;
            set |= 1 << player;
        }
    }
    means
}

fn all_orders(players: &[usize]) -> Vec<Vec<usize>> {
    if players.is_empty() {
        return vec![Vec::new()];
    }
    let beginning_with = |first: &usize| {
        let rest: Vec<usize> = players.iter().filter(|player| *player != first).copied().collect();
        all_orders(&rest).into_iter().map(move |rest| [vec![*first], rest].concat()).collect::<Vec<_>>()
    };
    players.iter().flat_map(beginning_with).collect()
}

/// All orders in which every group of a tree comes in one piece.
fn orders_by(tree: &Tree) -> Vec<Vec<usize>> {
    let Some((front, back)) = tree.halves() else {
        return vec![tree.players().to_vec()];
    };
    let (fronts, backs) = (orders_by(front), orders_by(back));
    let pairs = fronts.iter().flat_map(|front| backs.iter().map(move |back| (front, back)));
    pairs.flat_map(|(a, b)| [[a.clone(), b.clone()].concat(), [b.clone(), a.clone()].concat()]).collect()
}

fn close(left: &[f64], right: &[f64], tolerance: f64) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(a, b)| (a - b).abs() <= tolerance)
}

fn tables(most: usize) -> impl Strategy<Value = Vec<f64>> {
    (1..=most).prop_flat_map(|players| prop::collection::vec(-1.0f64..1.0, 1 << players))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn where_everyone_brings_the_same_to_all_every_method_finds_out_what(
        start in -1.0f64..1.0,
        weights in prop::collection::vec(-1.0f64..1.0, 1..=8),
    ) {
        let table = additive(start, &weights);
        for (method, solve) in all() {
            let scores = solve(&table);
            prop_assert!(close(&scores, &weights, 1e-5), "{method}: {scores:?} of {weights:?}");
        }
    }

    #[test]
    fn shares_add_up_to_what_all_do_together(table in tables(8)) {
        let change = table[table.len() - 1] - table[0];
        for (method, solve) in SHARING {
            let sum: f64 = solve(&table).iter().sum();
            prop_assert!((sum - change).abs() < 1e-9, "{method}: {sum} of {change}");
        }
    }

    #[test]
    fn partition_shap_adds_up_and_keeps_within_its_forwards_whatever_they_are(
        table in tables(8), max_forwards in 3usize..100,
    ) {
        let (scores, forwards) = partition_within(&table, max_forwards);
        let change = table[table.len() - 1] - table[0];
        prop_assert!((scores.iter().sum::<f64>() - change).abs() < 1e-9);
        prop_assert!(forwards <= max_forwards);
        let needed = 1 + 2 * tree(players(&table)).cuts();
        prop_assert!(forwards == needed || forwards + 2 > max_forwards, "{forwards} of {needed}");
    }

    #[test]
    fn a_player_who_brings_nothing_to_anybody_gets_nothing(table in tables(6), place in 0usize..7) {
        let place = place.min(players(&table));
        let low = (1 << place) - 1;
        let without = |set: usize| set & low | set >> 1 & !low;
        let with_dummy: Vec<f64> = (0..2 * table.len()).map(|set| table[without(set)]).collect();
        let others = [("leave_one_out", left_out as Solver), ("occlusion", occluded)];
        // Least squares over some coalitions leave a dummy a remainder, so those from samples are not here.
        let complete = SHARING.into_iter().filter(|(method, _)| *method != "kernel_shap from samples");
        for (method, solve) in complete.chain(others) {
            let score = solve(&with_dummy)[place];
            prop_assert!(score.abs() < 1e-9, "{method}: {score}");
        }
    }

    #[test]
    fn players_who_bring_the_same_get_the_same(table in tables(6), one in 0usize..6, other in 0usize..6) {
        let (one, other) = (one % players(&table), other % players(&table));
        let swapped = |set: usize| {
            let (a, b) = (set >> one & 1, set >> other & 1);
            set & !(1 << one) & !(1 << other) | b << one | a << other
        };
        let symmetric: Vec<f64> =
            (0..table.len()).map(|set| (table[set] + table[swapped(set)]) / 2.0).collect();
        let solvers: [(&str, Solver); 4] = [
            ("exact_shapley", exact), ("kernel_shap", kernel), ("leave_one_out", left_out), ("occlusion", occluded),
        ];
        for (method, solve) in solvers {
            let scores = solve(&symmetric);
            prop_assert!((scores[one] - scores[other]).abs() < 1e-9, "{method}: {scores:?}");
        }
    }

    #[test]
    fn scores_of_a_mixture_of_games_are_the_mixture_of_their_scores(
        (one, other) in (1usize..=6).prop_flat_map(|players| {
            let table = || prop::collection::vec(-1.0f64..1.0, 1 << players);
            (table(), table())
        }),
        by in -2.0f64..2.0,
    ) {
        let mixed: Vec<f64> = one.iter().zip(&other).map(|(a, b)| a + by * b).collect();
        for (method, solve) in all() {
            let expected: Vec<f64> =
                solve(&one).iter().zip(solve(&other)).map(|(a, b)| a + by * b).collect();
            let scores = solve(&mixed);
            prop_assert!(close(&scores, &expected, 1e-9), "{method}: {scores:?} {expected:?}");
        }
    }

    #[test]
    fn exact_shapley_is_the_mean_over_all_orders(table in tables(5)) {
        let orders = all_orders(&(0..players(&table)).collect::<Vec<_>>());
        prop_assert!(close(&exact(&table), &mean_over(&orders, &table), 1e-12));
    }

    #[test]
    fn kernel_shap_over_all_coalitions_is_exact_and_says_so(table in tables(8)) {
        let estimate = regression(&table, 16384, &mut chance());
        prop_assert!(close(&estimate.scores, &exact(&table), 1e-9), "{:?}", estimate.scores);
        prop_assert_eq!(estimate.standard_errors.unwrap(), vec![0.0; players(&table)]);
    }

    #[test]
    fn partition_shap_is_the_mean_over_the_orders_that_keep_groups_together(table in tables(7)) {
        let orders = orders_by(&tree(players(&table)));
        prop_assert_eq!(orders.len(), 1 << (players(&table) - 1));
        prop_assert!(close(&partition(&table), &mean_over(&orders, &table), 1e-12));
    }

    #[test]
    fn two_players_are_shared_out_by_partition_shap_and_by_pairs_of_orders_as_shapley_did(
        table in prop::collection::vec(-1.0f64..1.0, 4),
    ) {
        prop_assert!(close(&partition(&table), &exact(&table), 1e-12));
        let estimate = sampling(&table, 4, &mut chance());
        prop_assert!(close(&estimate.scores, &exact(&table), 1e-12));
        prop_assert!(close(&estimate.standard_errors.unwrap(), &[0.0; 2], 1e-12));
    }
}

/// Two left gloves and a right one: a pair is worth 1.
const GLOVES: [f64; 8] = [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0];

#[test]
fn the_right_glove_is_worth_four_times_a_left_one_to_shapley_and_all_to_leave_one_out() {
    assert!(close(&exact(&GLOVES), &[1.0 / 6.0, 1.0 / 6.0, 2.0 / 3.0], 1e-12));
    assert_eq!(left_out(&GLOVES), [0.0, 0.0, 1.0]);
    // The left gloves come together, so neither undercuts the other.
    assert!(close(&partition(&GLOVES), &[0.25, 0.25, 0.5], 1e-12));
}

#[test]
fn in_a_vote_of_three_neighbours_take_all_of_a_partition_and_a_third_each_of_shapley() {
    let majority = [0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0];
    assert!(close(&exact(&majority), &[1.0 / 3.0; 3], 1e-12));
    assert!(close(&partition(&majority), &[0.5, 0.5, 0.0], 1e-12));
}

#[test]
fn a_window_shares_what_it_covers_with_all_that_it_covers() {
    let table = additive(0.0, &[4.0, 0.0, 2.0]);
    let scores = occlusion::losses(3, &[0..2, 1..3], &mut worths(&table)).unwrap().remove(0);
    assert_eq!(scores, [4.0, 3.0, 2.0]);
}

#[test]
fn a_regularized_slope_is_nearer_to_zero() {
    let table = additive(0.0, &[1.0, 0.5, 0.25]);
    let surroundings = Surroundings::new(3, 512, &mut chance());
    let worths = worths(&table).of(&surroundings.coalitions).unwrap();
    let slopes =
        |regularization: f64| surroundings.estimates(&worths, 25.0, regularization).unwrap().remove(0).scores;
    assert!(slopes(10.0)[0] < slopes(1.0)[0] && slopes(1.0)[0] < 1.0);
}

#[test]
fn a_group_that_is_not_cut_is_spread_evenly_and_the_larger_share_is_cut_first() {
    let table = additive(0.0, &[1.0, 0.0, 4.0, 2.0]);
    assert_eq!(partition_within(&table, 3).0, [0.5, 0.5, 3.0, 3.0]);
    // One cut more: the back half, with none of the front half around it, has its half of the orders.
    assert_eq!(partition_within(&table, 5).0, [0.5, 0.5, 3.5, 2.5]);
}

/// Distances between estimates and exact values in standard errors, over games by chance.
fn distances(estimate: impl Fn(&[f64], &mut Chance) -> Estimate) -> Vec<f64> {
    let of_game = |seed: u64| {
        let mut chance = Chance::new("random games", seed, &[]);
        let table: Vec<f64> = (0..1 << 10).map(|_| chance.unit()).collect();
        let Estimate { scores, standard_errors } = estimate(&table, &mut chance);
        let errors = standard_errors.unwrap();
        let distance = |((score, exact), error): ((&f64, f64), f64)| (score - exact).abs() / error;
        scores.iter().zip(exact(&table)).zip(errors).map(distance).collect::<Vec<f64>>()
    };
    (0..10).flat_map(of_game).collect()
}

#[test]
fn estimates_from_samples_are_off_by_about_their_standard_errors() {
    let mean_square =
        |distances: &[f64]| distances.iter().map(|d| d * d).sum::<f64>() / distances.len() as f64;
    for (method, distances) in [
        ("shapley_sampling", distances(|table, chance| sampling(table, 256, chance))),
        ("kernel_shap", distances(|table, chance| regression(table, 1000, chance))),
    ] {
        let furthest = distances.iter().copied().fold(0.0, f64::max);
        assert!(furthest < 4.0, "{method}: {furthest} standard errors");
        let mean_square = mean_square(&distances);
        assert!((0.4..2.2).contains(&mean_square), "{method}: errors are not that large: {mean_square}");
    }
}
