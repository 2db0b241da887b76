//! [`Ops`] by our own kernels, on the processor.

use std::ops::Range;

use candle_core::Result;

use super::config::Activation;
use super::ops::{Attending, AttentionGradients, AttentionInputs, Dense, NormParameters, Ops, Then};
use crate::kernels::attention::{InputGradients, Inputs, Shape, attention, attention_vjp};
use crate::kernels::buffer::Buffer;
use crate::kernels::norm::{Norm, Normalised, add_norm, norm_vjp};
use crate::kernels::packed::Packed;
use crate::kernels::product::{Finish, Left, Out, product};
use crate::kernels::simd::InstructionSet;

/// Operators on the processor, by its best instructions.
#[derive(Debug, Clone, Copy)]
pub struct KernelOps {
    set: InstructionSet,
}

/// A matrix in the processor's memory.
#[derive(Debug)]
pub struct Rows {
    values: Buffer,
    width: usize,
}

/// A linear layer, packed for both ways.
#[derive(Debug)]
pub struct PackedLinear {
    there: Packed,
    back: Packed,
    bias: Vec<f32>,
}

/// What the way back through a layer normalisation needs.
#[derive(Debug)]
pub struct NormalisedRows {
    values: Buffer,
    scales: Buffer,
}

impl KernelOps {
    /// The fastest there are here.
    pub fn best() -> Self {
        Self::on(InstructionSet::best())
    }

    /// The name of the instructions.
    pub fn instructions(&self) -> &'static str {
        self.set.name()
    }

    /// On certain instructions.
    pub fn on(set: InstructionSet) -> Self {
        KernelOps { set }
    }
}

impl Rows {
    fn rows(&self) -> usize {
        self.values.len() / self.width
    }

    fn of(&self, rows: &Range<usize>) -> &[f32] {
        &self.values[rows.start * self.width..rows.end * self.width]
    }

    fn of_mut(&mut self, rows: &Range<usize>) -> &mut [f32] {
        &mut self.values[rows.start * self.width..rows.end * self.width]
    }

    fn new(rows: usize, width: usize) -> Self {
        Rows { values: Buffer::take(rows * width), width }
    }
}

impl Ops for KernelOps {
    type Array = Rows;
    type Linear = PackedLinear;
    type Norm = NormParameters;
    type Normalised = NormalisedRows;
    type Probabilities = Buffer;

    fn linear_bytes(linear: &PackedLinear) -> usize {
        size_of_val(linear.there.panels())
            + size_of_val(linear.back.panels())
            + size_of_val(linear.bias.as_slice())
    }

    fn array(&self, values: &[f32], width: usize) -> Result<Rows> {
        Ok(Rows { values: Buffer::of(values), width })
    }

    fn read(&self, array: &Rows, into: &mut Vec<f32>) -> Result<()> {
        into.clear();
        into.extend_from_slice(&array.values);
        Ok(())
    }

    fn read_probabilities(
        &self,
        probabilities: &Buffer,
        attending: &Attending<'_>,
        sequence: usize,
        into: &mut Vec<f32>,
    ) -> Result<()> {
        let mut first = 0;
        for before in 0..sequence {
            first += shape(attending, before, 0).probabilities();
        }
        let shape = shape(attending, sequence, 0);
        into.clear();
        for row in probabilities[first..][..shape.probabilities()].chunks_exact(shape.row()) {
            into.extend_from_slice(&row[..shape.keys]);
        }
        Ok(())
    }

    fn linear(&self, dense: &Dense) -> Result<PackedLinear> {
        let (outputs, inputs) = (dense.outputs(), dense.inputs());
        Ok(PackedLinear {
            there: Packed::of_rows(&dense.weight, outputs, inputs),
            back: Packed::of_columns(&dense.weight, outputs, inputs),
            bias: dense.bias.clone(),
        })
    }

    fn norm(&self, parameters: &NormParameters) -> Result<NormParameters> {
        Ok(parameters.clone())
    }

    fn norm_parameters(&self, norm: &NormParameters) -> Result<NormParameters> {
        Ok(norm.clone())
    }

    fn apply(&self, linear: &PackedLinear, input: &Rows) -> Result<Rows> {
        Ok(self.product(input, &linear.there, Finish::Bias(&linear.bias)))
    }

    fn apply_activated(
        &self,
        linear: &PackedLinear,
        activation: Activation,
        input: &Rows,
        keep_slopes: bool,
    ) -> Result<(Rows, Option<Rows>)> {
        let mut slopes = keep_slopes.then(|| Rows::new(input.rows(), linear.bias.len()));
        let finish = Finish::Activate {
            bias: &linear.bias,
            activation,
            slopes: slopes.as_mut().map(|slopes| &mut *slopes.values),
        };
        Ok((self.product(input, &linear.there, finish), slopes))
    }

    fn linear_vjp(&self, linear: &PackedLinear, gradient: &Rows, then: Then<'_, Rows>) -> Result<Rows> {
        let finish = match then {
            Then::Nothing => Finish::Plain,
            Then::Plus(other) => Finish::Plus(&other.values),
            Then::Times(slopes) => Finish::Times(&slopes.values),
        };
        Ok(self.product(gradient, &linear.back, finish))
    }

    fn add_norm(
        &self,
        norm: &NormParameters,
        mut input: Rows,
        residual: Option<&Rows>,
        keep: bool,
    ) -> Result<(Rows, Option<NormalisedRows>)> {
        let mut saved = keep.then(|| NormalisedRows {
            values: Buffer::take(input.values.len()),
            scales: Buffer::take(input.rows()),
        });
        let parameters = Norm { gain: &norm.weight, shift: &norm.bias, epsilon: norm.epsilon as f32 };
        let room =
            saved.as_mut().map(|saved| Normalised { values: &mut saved.values, scales: &mut saved.scales });
        add_norm(self.set, parameters, &mut input.values, residual.map(|rows| &*rows.values), room);
        Ok((input, saved))
    }

    fn norm_vjp(&self, norm: &NormParameters, saved: &NormalisedRows, gradient: &Rows) -> Result<Rows> {
        let mut out = Rows::new(gradient.rows(), gradient.width);
        norm_vjp(self.set, &norm.weight, &saved.values, &saved.scales, &gradient.values, &mut out.values);
        Ok(out)
    }

    fn tanh(&self, mut input: Rows) -> Result<Rows> {
        // One row a text: in double precision, so that its last bit does not hang on the system's library.
        input.values.iter_mut().for_each(|value| *value = f64::from(*value).tanh() as f32);
        Ok(input)
    }

    fn tanh_vjp(&self, output: &Rows, mut gradient: Rows) -> Result<Rows> {
        for (slope, output) in gradient.values.iter_mut().zip(&*output.values) {
            *slope *= 1.0 - output * output;
        }
        Ok(gradient)
    }

    fn attention(
        &self,
        attending: &Attending<'_>,
        queries: &Rows,
        keys_and_values: &Rows,
        keep: bool,
    ) -> Result<(Rows, Option<Buffer>)> {
        let mut context = Rows::new(queries.rows(), queries.width);
        let mut kept = keep.then(|| Buffer::take(all_probabilities(attending, queries.width)));
        let mut first = 0;
        for sequence in 0..attending.keys.len() {
            let shape = shape(attending, sequence, queries.width);
            let inputs = inputs(attending, sequence, queries, keys_and_values);
            let room = kept.as_mut().map(|kept| &mut kept[first..][..shape.probabilities()]);
            let hidden = attending.hidden(sequence);
            let out = context.of_mut(&attending.queries[sequence]);
            attention(self.set, shape, inputs, hidden, out, room);
            first += shape.probabilities();
        }
        Ok((context, kept))
    }

    fn attention_vjp(
        &self,
        attending: &Attending<'_>,
        saved: AttentionInputs<'_, Self>,
        gradient: &Rows,
        of_probabilities: bool,
    ) -> Result<AttentionGradients<Self>> {
        let AttentionInputs { queries, keys_and_values, probabilities } = saved;
        let mut to_queries = Rows::new(queries.rows(), queries.width);
        let mut to_keys_and_values = Rows::new(keys_and_values.rows(), keys_and_values.width);
        let mut to_probabilities = of_probabilities.then(|| Buffer::take(probabilities.len()));
        let mut first = 0;
        for sequence in 0..attending.keys.len() {
            let shape = shape(attending, sequence, queries.width);
            let here = first..first + shape.probabilities();
            let out = InputGradients {
                queries: to_queries.of_mut(&attending.queries[sequence]),
                keys_and_values: to_keys_and_values.of_mut(&attending.keys[sequence]),
            };
            attention_vjp(
                self.set,
                shape,
                inputs(attending, sequence, queries, keys_and_values),
                &probabilities[here.clone()],
                gradient.of(&attending.queries[sequence]),
                out,
                to_probabilities.as_mut().map(|room| &mut room[here.clone()]),
            );
            first = here.end;
        }
        Ok(AttentionGradients {
            queries: to_queries,
            keys_and_values: to_keys_and_values,
            probabilities: to_probabilities,
        })
    }

    fn scale_columns(
        &self,
        mut input: Rows,
        rows: &[Range<usize>],
        factors: &[Option<Vec<f32>>],
    ) -> Result<Rows> {
        let width = input.width;
        for (rows, factors) in rows.iter().zip(factors) {
            let Some(factors) = factors else { continue };
            for row in input.of_mut(rows).chunks_exact_mut(width) {
                row.iter_mut().zip(factors).for_each(|(value, factor)| *value *= factor);
            }
        }
        Ok(input)
    }

    fn changed(&self, mut input: Rows, change: impl FnOnce(&mut [f32])) -> Result<Rows> {
        change(&mut input.values);
        Ok(input)
    }

    fn pick_rows(&self, input: &Rows, rows: &[usize]) -> Result<Rows> {
        let mut picked = Rows::new(rows.len(), input.width);
        for (to, from) in picked.values.chunks_exact_mut(input.width).zip(rows) {
            to.copy_from_slice(input.of(&(*from..from + 1)));
        }
        Ok(picked)
    }

    fn add_rows(&self, mut input: Rows, rows: &[usize], more: &Rows) -> Result<Rows> {
        for (row, more) in rows.iter().zip(more.values.chunks_exact(more.width)) {
            let to = input.of_mut(&(*row..row + 1));
            to.iter_mut().zip(more).for_each(|(value, more)| *value += more);
        }
        Ok(input)
    }
}

impl KernelOps {
    fn product(&self, input: &Rows, weights: &Packed, finish: Finish<'_>) -> Rows {
        let rows = input.rows();
        let mut out = Rows::new(rows, weights.columns());
        let left = Left::rows(&input.values, rows, input.width);
        let stride = out.width;
        product(self.set, left, weights.into(), Out::new(&mut out.values, stride), finish);
        out
    }
}

fn shape(attending: &Attending<'_>, sequence: usize, hidden: usize) -> Shape {
    Shape {
        heads: attending.heads,
        head_size: hidden / attending.heads,
        queries: attending.queries[sequence].len(),
        keys: attending.keys[sequence].len(),
    }
}

fn all_probabilities(attending: &Attending<'_>, hidden: usize) -> usize {
    (0..attending.keys.len()).map(|sequence| shape(attending, sequence, hidden).probabilities()).sum()
}

fn inputs<'a>(
    attending: &Attending<'_>,
    sequence: usize,
    queries: &'a Rows,
    keys_and_values: &'a Rows,
) -> Inputs<'a> {
    Inputs {
        queries: queries.of(&attending.queries[sequence]),
        keys_and_values: keys_and_values.of(&attending.keys[sequence]),
    }
}
