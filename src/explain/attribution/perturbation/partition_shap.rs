//! Owen values along the tree of the text: what a group of words does to the output is shared out between its
//! halves, again and again.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bounds::within;
use super::game::{self, Coalition, Game, check_unit, coalitions_of, unit_or};
use super::replacement::Replacement;
use super::report::{Effort, Estimate};
use super::tree::Tree;
use super::worths::{Ends, Worths};
use crate::explain::granularity::Granularity;
use crate::explain::method::{Attribution, AttributionMethod, ExplainError, Family, OptionFault};
use crate::explain::{Cost, Output, Subject};
use crate::model::{Keep, Model};

/// Shapley values of a game in which only neighbours band together.
pub struct PartitionShap;

/// Options of `partition_shap`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(
    as = PartitionShapOptions,
    example = json!({"max_forwards": 512, "unit": "word", "replacement": "mask", "output": "logit"})
)]
pub struct Options {
    /// The most altered texts that a class's scores may take, 3 to 16384. Groups that are not cut by then have their
    /// share spread evenly over their parts.
    #[schema(example = 512, default = 512, minimum = 3, maximum = 16384)]
    max_forwards: usize,
    /// The parts that the tree ends in; null for those that scores are asked for.
    #[schema(example = "word", default = json!(null))]
    unit: Option<Granularity>,
    /// What takes the place of a part that is not in.
    #[schema(default = "mask")]
    replacement: Replacement,
    /// What is explained about the target.
    #[schema(default = "logit")]
    output: Output,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            max_forwards: 512,
            unit: None,
            replacement: Replacement::default(),
            output: Output::default(),
        }
    }
}

/// Nobody, and the two halves of the text.
const FEWEST: usize = 3;
const MOST: usize = 16384;

impl AttributionMethod for PartitionShap {
    const ID: &'static str = "partition_shap";
    const NAME: &'static str = "Partition SHAP";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Perturbation;
    const SUMMARY: &'static str = "Each word's share in the output along the text's own structure: shared out between sentences, then phrases, then words. The scores sum to the output's change, and nothing is left to chance.";
    const FORMULA: &'static str = "Owen values: a group G = L ∪ R with others S around it gives L half of v(S ∪ L) − v(S) and half of v(S ∪ L ∪ R) − v(S ∪ R), and so on within L and within R, for the output v of the text with the given parts";
    const EFFORT: &'static str = "Two forward passes for each group that is cut, at most `max_forwards` a class: about two thirds of the square of the number of parts until all are, and classes share them.";
    const CAUTION: &'static str = "Words band together by the tree alone: what a word does together with one far away is shared with its neighbours. Where `max_forwards` is spent, words of a group that is not cut get the same score: `forwards` near it tells.";
    const SOURCE: &'static str = "Owen 1977, doi:10.1007/978-3-642-45494-3_7; Lundberg & Lee 2017, arXiv:1705.07874 (SHAP's Partition explainer)";
    const KEEP: Keep = Keep::Outputs;
    type Options = Options;

    fn completed(options: Options, granularity: Granularity) -> Options {
        Options { unit: Some(unit_or(options.unit, granularity)), ..options }
    }

    fn check(options: &Options, model: &Model, granularity: Granularity) -> Result<(), OptionFault> {
        within("max_forwards", options.max_forwards, FEWEST, MOST)?;
        check_unit(options.unit, granularity)?;
        options.replacement.check(model)?;
        options.output.check(model)
    }

    fn with_other_baselines(options: &Options, model: &Model) -> Vec<(&'static str, Options)> {
        let others = options.replacement.others(model).into_iter();
        others.map(|(name, replacement)| (name, Options { replacement, ..options.clone() })).collect()
    }

    fn cost(options: &Options, tokens: usize, classes: usize) -> Cost {
        let unit = options.unit.unwrap_or_default();
        let at_most = |players: usize, most: usize| most.min(coalitions_of(players) - 1);
        // Each class may cut other groups, so that all spend as much as they may.
        let most = game::cost(unit, tokens, |players| at_most(players, classes * options.max_forwards));
        let usual = |players: usize| at_most(players, options.max_forwards.min(players * players));
        Cost { expected: game::cost(unit, tokens, usual).expected, ..most }
    }

    fn attribute(
        options: &Options,
        subject: &Subject,
        classes: &[usize],
        _seed: u64,
    ) -> Result<Vec<Attribution>, ExplainError> {
        let game = Game::new(subject, options.unit.unwrap_or_default(), options.replacement)?;
        let players = game.players().len();
        let tree = Tree::of_text(subject.text(), game.players());
        let mut worths = game.worths(options.output, classes);
        let ends = worths.ends(players)?;
        let mut attributions = Vec::with_capacity(classes.len());
        for (slot, class) in classes.iter().enumerate() {
            let mut owen = Owen::new(players, slot, &mut worths);
            if let Some(tree) = &tree {
                owen.share_out(tree, ends[slot], options.max_forwards)?;
            }
            let effort = Effort { steps: owen.forwards, forwards: owen.forwards };
            let estimate = Estimate::exactly(owen.scores);
            attributions.push(estimate.shares(&game, *class, options.output, ends[slot], effort));
        }
        Ok(attributions)
    }
}

/// Scores of one class in the making. Each class cuts the groups that matter to it, so that its scores do
/// not depend on which other classes were asked for.
pub(super) struct Owen<'w, 'g> {
    /// Which class, by its place among those asked for.
    class: usize,
    worths: &'w mut Worths<'g>,
    pub(super) scores: Vec<f64>,
    /// Altered texts that this class has looked at, nobody included. No two cuts look at the same.
    pub(super) forwards: usize,
}

/// A group with some others around it.
struct Group<'t> {
    tree: &'t Tree,
    /// The others.
    around: Coalition,
    /// The share of the orders in which the group comes in upon just these.
    weight: f64,
    /// What the others are worth alone.
    without: f64,
    /// What they are worth with the group.
    with: f64,
}

impl Group<'_> {
    fn share(&self) -> f64 {
        self.weight * (self.with - self.without)
    }
}

/// A group that has two halves.
struct Cut<'t> {
    group: Group<'t>,
    front: &'t Tree,
    back: &'t Tree,
}

impl<'t> Cut<'t> {
    /// The others with either half alone.
    fn coalitions(&self) -> [Coalition; 2] {
        [self.front, self.back].map(|half| joined(&self.group.around, half))
    }

    /// Each half, with the others alone around it and with the other half as well, from what the coalitions
    /// are worth.
    fn halves(self, front: f64, back: f64) -> [Group<'t>; 4] {
        let [with_front, with_back] = self.coalitions();
        let weight = self.group.weight / 2.0;
        let Group { around, without, with, .. } = self.group;
        [
            Group { tree: self.front, around: around.clone(), weight, without, with: front },
            Group { tree: self.front, around: with_back, weight, without: back, with },
            Group { tree: self.back, around, weight, without, with: back },
            Group { tree: self.back, around: with_front, weight, without: front, with },
        ]
    }
}

fn joined(around: &Coalition, group: &Tree) -> Coalition {
    let mut coalition = around.clone();
    group.players().iter().for_each(|player| coalition[*player] = true);
    coalition
}

/// What can still be cut: the largest share first, of equals the one that came first.
#[derive(Default)]
struct Queue<'t> {
    cuts: BTreeMap<(Reverse<u64>, usize), Cut<'t>>,
    came: usize,
}

impl<'t> Queue<'t> {
    fn push(&mut self, cut: Cut<'t>) {
        // The bits of doubles without a sign are in the order of the doubles.
        let size = cut.group.share().abs().to_bits();
        self.cuts.insert((Reverse(size), self.came), cut);
        self.came += 1;
    }

    fn take(&mut self, most: usize) -> Vec<Cut<'t>> {
        std::iter::from_fn(|| self.cuts.pop_first()).map(|(_, cut)| cut).take(most).collect()
    }
}

impl<'w, 'g> Owen<'w, 'g> {
    /// Nothing shared out yet.
    pub(super) fn new(players: usize, class: usize, worths: &'w mut Worths<'g>) -> Self {
        Owen { class, worths, scores: vec![0.0; players], forwards: 1 }
    }

    /// Shares the output's change out along a tree, the group with the largest share first, until every
    /// group is cut down to players or the forwards are spent. What is left is spread evenly.
    pub(super) fn share_out(
        &mut self,
        tree: &Tree,
        ends: Ends,
        max_forwards: usize,
    ) -> Result<(), ExplainError> {
        // Where everything will be cut the order is all the same, and many go together.
        let all = tree.cuts().saturating_mul(2).saturating_add(1) <= max_forwards;
        let at_a_time = if all { usize::MAX } else { 1 };
        let around = vec![false; self.scores.len()];
        let mut queue = Queue::default();
        let whole = Group { tree, around, weight: 1.0, without: ends.nobody, with: ends.everyone };
        self.place(whole, &mut queue);
        while self.forwards + 2 <= max_forwards && !queue.cuts.is_empty() {
            for half in self.cut(queue.take(at_a_time))? {
                self.place(half, &mut queue);
            }
        }
        queue.take(usize::MAX).iter().for_each(|cut| self.spread(&cut.group));
        Ok(())
    }

    /// A player gets its share, a larger group waits for its turn.
    fn place<'t>(&mut self, group: Group<'t>, queue: &mut Queue<'t>) {
        match group.tree.halves() {
            Some((front, back)) => queue.push(Cut { group, front, back }),
            None => self.spread(&group),
        }
    }

    fn cut<'t>(&mut self, cuts: Vec<Cut<'t>>) -> Result<Vec<Group<'t>>, ExplainError> {
        let coalitions: Vec<Coalition> = cuts.iter().flat_map(Cut::coalitions).collect();
        self.forwards += coalitions.len();
        let worths = self.worths.of(&coalitions)?.swap_remove(self.class);
        let halves = |(cut, worths): (Cut<'t>, &[f64])| cut.halves(worths[0], worths[1]);
        Ok(cuts.into_iter().zip(worths.chunks(2)).flat_map(halves).collect())
    }

    fn spread(&mut self, group: &Group<'_>) {
        let players = group.tree.players();
        let each = group.share() / players.len() as f64;
        players.iter().for_each(|player| self.scores[*player] += each);
    }
}
