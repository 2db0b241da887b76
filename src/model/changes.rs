//! What interventions do to the arrays of a pass, and to gradients on the way back.

use std::ops::Range;

use candle_core::Result;

use super::interventions::{Interventions, NewColumns};
use super::network::Network;
use super::ops::Ops;

impl<O: Ops> Network<O> {
    /// The context, `[rows, hidden]`, with each head times its gate, and values in the place of heads that are given
    /// some.
    pub(super) fn change_heads(
        &self,
        context: O::Array,
        layer: usize,
        rows: &[Range<usize>],
        interventions: &[Interventions],
    ) -> Result<O::Array> {
        let (width, head_size) = (self.config.hidden_size, self.config.head_size());
        let gated = self.scale(context, rows, interventions, |changes| self.head_factors(layer, changes))?;
        let values = |changes: &Interventions, rows: &mut [f32]| {
            changes.head_values(layer, head_size).for_each(|new| new.put(rows, width));
        };
        let given = |changes: &Interventions| changes.head_values(layer, head_size).next().is_some();
        self.edited(gated, width, rows, interventions, given, values)
    }

    /// The way back through [`Self::change_heads`]: nothing flows to a head that was given values.
    pub(super) fn hand_back_heads(
        &self,
        gradient: O::Array,
        layer: usize,
        rows: &[Range<usize>],
        interventions: &[Interventions],
    ) -> Result<O::Array> {
        let (width, head_size) = (self.config.hidden_size, self.config.head_size());
        self.scale(gradient, rows, interventions, |changes| {
            cut(self.head_factors(layer, changes), changes.head_values(layer, head_size), width)
        })
    }

    /// `[rows, intermediate]` with each neuron times its gate, and values in the place of neurons that are given some.
    pub(super) fn change_neurons(
        &self,
        neurons: O::Array,
        layer: usize,
        rows: &[Range<usize>],
        interventions: &[Interventions],
    ) -> Result<O::Array> {
        let width = self.config.intermediate_size;
        let gated = self.scale(neurons, rows, interventions, |changes| changes.neuron_gates(layer, width))?;
        let values = |changes: &Interventions, rows: &mut [f32]| {
            changes.neuron_values(layer).for_each(|new| new.put(rows, width));
        };
        let given = |changes: &Interventions| changes.neuron_values(layer).next().is_some();
        self.edited(gated, width, rows, interventions, given, values)
    }

    /// The way back through [`Self::change_neurons`], of gradients or of the slopes that they are multiplied by:
    /// nothing flows to a neuron that was given values.
    pub(super) fn hand_back_neurons(
        &self,
        gradient: O::Array,
        layer: usize,
        rows: &[Range<usize>],
        interventions: &[Interventions],
    ) -> Result<O::Array> {
        let width = self.config.intermediate_size;
        self.scale(gradient, rows, interventions, |changes| {
            cut(changes.neuron_gates(layer, width), changes.neuron_values(layer), width)
        })
    }

    /// Applies the edits of `hidden[point]`.
    pub(super) fn edit(
        &self,
        hidden: O::Array,
        point: usize,
        rows: &[Range<usize>],
        interventions: &[Interventions],
    ) -> Result<O::Array> {
        let edits = |changes: &Interventions| changes.edit_hidden(point);
        self.edited(hidden, self.config.hidden_size, rows, interventions, edits, |changes, rows| {
            changes.apply(point, rows);
        })
    }

    /// The way back through [`Self::edit`].
    pub(super) fn hand_back_edits(
        &self,
        gradient: O::Array,
        point: usize,
        rows: &[Range<usize>],
        interventions: &[Interventions],
    ) -> Result<O::Array> {
        let edits = |changes: &Interventions| changes.edit_hidden(point);
        self.edited(gradient, self.config.hidden_size, rows, interventions, edits, |changes, rows| {
            changes.hand_back(point, rows);
        })
    }

    /// Changes the rows of all sequences if there is anything to change in one: rarely, so it is done on plain
    /// numbers.
    fn edited(
        &self,
        array: O::Array,
        width: usize,
        rows: &[Range<usize>],
        interventions: &[Interventions],
        any: impl Fn(&Interventions) -> bool,
        change: impl Fn(&Interventions, &mut [f32]),
    ) -> Result<O::Array> {
        if !interventions.iter().any(any) {
            return Ok(array);
        }
        self.ops.changed(array, |values| {
            for (rows, interventions) in rows.iter().zip(interventions) {
                change(interventions, &mut values[rows.start * width..rows.end * width]);
            }
        })
    }

    /// Each column times the factor that each sequence has for it.
    fn scale(
        &self,
        array: O::Array,
        rows: &[Range<usize>],
        interventions: &[Interventions],
        of: impl Fn(&Interventions) -> Option<Vec<f32>>,
    ) -> Result<O::Array> {
        if interventions.iter().all(Interventions::is_empty) {
            return Ok(array);
        }
        let factors: Vec<Option<Vec<f32>>> = interventions.iter().map(of).collect();
        match factors.iter().any(Option::is_some) {
            true => self.ops.scale_columns(array, rows, &factors),
            false => Ok(array),
        }
    }

    /// The gate of each column of the context; none where no head is gated.
    fn head_factors(&self, layer: usize, changes: &Interventions) -> Option<Vec<f32>> {
        let gates = changes.head_gates(layer, self.config.heads)?;
        let spread = |gate: &f32| std::iter::repeat_n(*gate, self.config.head_size());
        Some(gates.iter().flat_map(spread).collect())
    }
}

/// Factors with 0 for the columns that were given values.
fn cut<'a>(
    factors: Option<Vec<f32>>,
    given: impl Iterator<Item = NewColumns<'a>>,
    width: usize,
) -> Option<Vec<f32>> {
    given.fold(factors, |factors, new| {
        let mut factors = factors.unwrap_or_else(|| vec![1.0; width]);
        factors[new.columns].fill(0.0);
        Some(factors)
    })
}
