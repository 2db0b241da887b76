//! What changes to the network do to it, on both kinds of operators.

use std::path::Path;

use candle_core::Device;
use proptest::prelude::*;

use super::interventions::MOST_EDIT_RANK;
use super::kernel_ops::KernelOps;
use super::weights::Weights;
use super::{
    Batch, Cotangent, Encoder, HiddenEdit, Intervention, Interventions, Keep, ModelConfig, Operators, Wanted,
};

pub(super) fn load(name: &str, operators: &Operators) -> Encoder {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models").join(name);
    let config = ModelConfig::read(&directory.join("config.json")).unwrap();
    Encoder::load(config, &Weights::open(&directory).unwrap(), operators).unwrap()
}

/// One and the same network on our kernels, and on candle's operators.
pub(super) fn encoders() -> [Encoder; 2] {
    let both = [Operators::Kernels(KernelOps::best()), Operators::Candle(Device::Cpu)];
    both.map(|operators| load("three-labels", &operators))
}

/// Numbers from −1 to 1 without a pattern.
pub(super) fn numbers(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|index| ((index * index + 3) as f32 * (0.7 + 0.13 * seed as f32)).sin()).collect()
}

fn unit(vector: &[f32]) -> Vec<f32> {
    let length = length(vector);
    vector.iter().map(|entry| (f64::from(*entry) / length) as f32).collect()
}

fn length(vector: &[f32]) -> f64 {
    product(vector, vector).sqrt()
}

pub(super) fn product(left: &[f32], right: &[f32]) -> f64 {
    left.iter().zip(right).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

pub(super) fn affine(encoder: &Encoder) -> HiddenEdit {
    let hidden = encoder.config().hidden_size;
    let vectors = |first: usize| (first..first + 3).map(|seed| unit(&numbers(hidden, seed))).collect();
    HiddenEdit::Affine { read: vectors(1), write: vectors(4), centre: numbers(hidden, 7) }
}

fn at(point: usize, edit: HiddenEdit) -> Interventions {
    vec![Intervention::Hidden { point, edit }].into()
}

pub(super) const IDS: [u32; 5] = [5, 17, 42, 99, 7];

pub(super) fn through(encoder: &Encoder, interventions: Interventions) -> Batch {
    let mut batch = encoder.batch(&IDS, &[0; IDS.len()]).unwrap();
    batch.sequences[0].interventions = interventions;
    batch
}

/// The gradient of a logit at the word embeddings.
pub(super) fn gradient(encoder: &Encoder, batch: &Batch) -> Vec<f32> {
    let trace = encoder.forward(batch, Keep::OutputGradients).unwrap();
    let cotangent = Cotangent::logit(&trace, 1).unwrap();
    encoder.backward(&trace, &cotangent, &Wanted::word_embeddings()).unwrap().word_embeddings.values
}

#[test]
fn gradients_through_an_affine_edit_are_differences_of_the_altered_logits() {
    for encoder in encoders() {
        for point in 0..=encoder.config().layers {
            let batch = through(&encoder, at(point, affine(&encoder)));
            assert_gradients_are_differences(&encoder, &batch, &format!("hidden[{point}]"));
        }
    }
}

/// Holds the gradient of a logit against what small steps of the word embeddings change of it.
pub(super) fn assert_gradients_are_differences(encoder: &Encoder, batch: &Batch, what: &str) {
    let gradient = gradient(encoder, batch);
    for seed in 0..8 {
        let step: Vec<f32> = numbers(gradient.len(), seed).iter().map(|x| 0.003 * x).collect();
        let moved = |sign: f32| {
            let mut moved = batch.clone();
            moved.word_embeddings.iter_mut().zip(&step).for_each(|(x, step)| *x += sign * step);
            f64::from(encoder.logits(&moved).unwrap()[0][1])
        };
        let (change, expected) = ((moved(1.0) - moved(-1.0)) / 2.0, product(&gradient, &step));
        let tolerance = 0.01 * length(&gradient) * length(&step);
        assert!((change - expected).abs() < tolerance, "{what}: {change} for {expected}");
    }
}

#[test]
fn an_affine_edit_that_writes_what_it_reads_is_a_projection() {
    for encoder in encoders() {
        let hidden = encoder.config().hidden_size;
        let direction = unit(&numbers(hidden, 9));
        let along = vec![direction.clone()];
        let affine = HiddenEdit::Affine { read: along.clone(), write: along, centre: vec![0.0; hidden] };
        for point in 0..=encoder.config().layers {
            let of = |edit: HiddenEdit| {
                let batch = through(&encoder, at(point, edit));
                (encoder.logits(&batch).unwrap(), gradient(&encoder, &batch))
            };
            assert_eq!(of(affine.clone()), of(HiddenEdit::Project(direction.clone())));
        }
    }
}

#[test]
fn an_edit_of_a_hidden_state_is_the_network_run_on_from_the_edited_state() {
    for encoder in encoders() {
        let plain = encoder.forward(&through(&encoder, Interventions::none()), Keep::Trace).unwrap();
        for point in 0..=encoder.config().layers {
            let edit = at(point, affine(&encoder));
            let mut state = plain.hidden(point).unwrap();
            edit.apply(point, &mut state.values);
            let row = |(token, row): (usize, &[f32])| Intervention::Hidden {
                point,
                edit: HiddenEdit::Replace { token, value: row.to_vec() },
            };
            let replaced: Vec<Intervention> = state.iter().enumerate().map(row).collect();
            let replaced = encoder.logits(&through(&encoder, replaced.into())).unwrap();
            let edited = through(&encoder, edit);
            assert_eq!(encoder.logits(&edited).unwrap(), replaced);
            assert_ne!(replaced[0], plain.logits(0), "hidden[{point}] is read by nothing");
            let trace = encoder.forward(&edited, Keep::Gradients).unwrap();
            assert_eq!(trace.hidden(point).unwrap(), state);
            assert_eq!(trace.logits(0), replaced[0]);
        }
    }
}

#[test]
fn a_text_beside_one_through_an_altered_network_has_the_bits_that_it_has_alone() {
    let [encoder, _] = encoders();
    let plain = through(&encoder, Interventions::none());
    for point in 0..=encoder.config().layers {
        let altered = through(&encoder, at(point, affine(&encoder)));
        let together = encoder.logits(&Encoder::join([&altered, &plain, &altered])).unwrap();
        let alone = |batch| encoder.logits(batch).unwrap().remove(0);
        assert_eq!(together, [alone(&altered), alone(&plain), alone(&altered)]);
    }
}

#[test]
fn a_record_of_an_altered_network_has_its_logits() {
    for encoder in encoders() {
        let layers = encoder.config().layers;
        let mut changes = vec![
            Intervention::HeadGate { layer: 1, head: 0, gate: 0.5 },
            Intervention::NeuronGate { layer: 0, neurons: vec![1, 2, 3], gate: 0.0 },
        ];
        changes.extend((0..=layers).map(|point| Intervention::Hidden { point, edit: affine(&encoder) }));
        let batch = through(&encoder, changes.into());
        let record = encoder.record(&batch).unwrap();
        assert_eq!(record.logits(0), encoder.logits(&batch).unwrap()[0]);
        assert_ne!(record.logits(0), encoder.logits(&through(&encoder, Interventions::none())).unwrap()[0]);
        let masked = through(&encoder, vec![Intervention::TokenMask { tokens: vec![1] }].into());
        let refused = encoder.record(&masked).err().unwrap();
        assert!(refused.to_string().contains("hidden tokens cannot be recorded"), "{refused}");
    }
}

#[test]
fn affine_edits_that_do_not_fit_are_refused() {
    let [encoder, _] = encoders();
    let hidden = encoder.config().hidden_size;
    let refused = |read: usize, write: usize, width: usize, centre: usize| {
        let vectors = |count: usize| vec![vec![0.5; width]; count];
        let edit =
            HiddenEdit::Affine { read: vectors(read), write: vectors(write), centre: vec![0.0; centre] };
        encoder.logits(&through(&encoder, at(1, edit))).err().map(|error| error.to_string())
    };
    let says = |fault: Option<String>, what: &str| assert!(fault.unwrap().contains(what));
    assert_eq!(refused(MOST_EDIT_RANK, MOST_EDIT_RANK, hidden, hidden), None);
    says(refused(1, 2, hidden, hidden), "reads along 1 vectors and writes along 2");
    says(refused(0, 0, hidden, hidden), "from 1 to 64");
    says(refused(MOST_EDIT_RANK + 1, MOST_EDIT_RANK + 1, hidden, hidden), "reads along 65 vectors");
    says(refused(1, 1, hidden - 1, hidden), "has 23 values, expected 24");
    says(refused(1, 1, hidden, hidden + 1), "has 25 values, expected 24");
    let nowhere = encoder.logits(&through(&encoder, at(9, affine(&encoder)))).err().unwrap();
    assert!(nowhere.to_string().contains("hidden state 9"), "{nowhere}");
}

const WIDTH: usize = 6;

fn vector() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(-1.0f32..1.0, WIDTH)
}

fn edited(interventions: &Interventions, rows: &[f32]) -> Vec<f32> {
    let mut rows = rows.to_vec();
    interventions.apply(0, &mut rows);
    rows
}

fn apart(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

proptest! {
    #[test]
    fn an_affine_edit_reads_each_row_as_it_was_and_goes_back_by_its_transpose(
        read in prop::collection::vec(vector(), 2),
        write in prop::collection::vec(vector(), 2),
        centre in vector(),
        rows in prop::collection::vec(-2.0f32..2.0, 3 * WIDTH),
        others in prop::collection::vec(-2.0f32..2.0, 3 * WIDTH),
        gradient in prop::collection::vec(-2.0f32..2.0, 3 * WIDTH),
    ) {
        let edit = HiddenEdit::Affine { read: read.clone(), write: write.clone(), centre: centre.clone() };
        let edit = at(0, edit);
        let (ours, elsewhere) = (edited(&edit, &rows), edited(&edit, &others));
        for (ours, row) in ours.chunks(WIDTH).zip(rows.chunks(WIDTH)) {
            let found = |read: &[f32]| product(read, row) - product(read, &centre);
            for (column, ours) in ours.iter().enumerate() {
                let taken: f64 = (0..2).map(|k| f64::from(write[k][column]) * found(&read[k])).sum();
                prop_assert!((f64::from(*ours) - (f64::from(row[column]) - taken)).abs() < 1e-5);
            }
        }
        let mut back = gradient.clone();
        edit.hand_back(0, &mut back);
        let after: Vec<f32> = ours.iter().zip(&elsewhere).map(|(a, b)| a - b).collect();
        let before: Vec<f32> = rows.iter().zip(&others).map(|(a, b)| a - b).collect();
        prop_assert!((product(&after, &gradient) - product(&before, &back)).abs() < 1e-3);
    }

    #[test]
    fn what_was_projected_out_once_is_not_there_a_second_time(
        first in vector(),
        second in vector(),
        centre in vector(),
        rows in prop::collection::vec(-2.0f32..2.0, 3 * WIDTH),
    ) {
        prop_assume!(length(&first) > 0.1);
        let first = unit(&first);
        let along = product(&first, &second);
        let rest: Vec<f32> = second.iter().zip(&first).map(|(b, a)| b - along as f32 * a).collect();
        prop_assume!(length(&rest) > 0.1);
        let plane = vec![first.clone(), unit(&rest)];
        let affine = HiddenEdit::Affine { read: plane.clone(), write: plane, centre };
        for edit in [at(0, HiddenEdit::Project(first)), at(0, affine)] {
            let once = edited(&edit, &rows);
            prop_assert!(apart(&edited(&edit, &once), &once) < 1e-4);
        }
    }
}
