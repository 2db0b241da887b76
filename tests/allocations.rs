//! In the steady state a pass through the network takes all its memory from what earlier passes gave back, and
//! it never takes more than was said beforehand.
//! A test binary of its own, because it counts what the whole process allocates.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use explaind::kernels::buffer::release_idle;
use explaind::model::{
    Cotangent, Encoder, Gradients, HiddenEdit, Intervention, Interventions, Keep, Model, Text, Wanted,
};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);
static PEAK_BYTES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came; counting touches nothing else.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        let live = LIVE_BYTES.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK_BYTES.fetch_max(live, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    work();
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

/// The most bytes that were held at one time during `work`, beyond those held before.
fn peak_bytes(work: impl FnOnce()) -> usize {
    let before = LIVE_BYTES.load(Ordering::Relaxed);
    PEAK_BYTES.store(before, Ordering::Relaxed);
    work();
    PEAK_BYTES.load(Ordering::Relaxed) - before
}

fn bundled_model() -> Model {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/movie-reviews");
    Model::load("movie-reviews", &directory).unwrap()
}

/// One test, because two would count each other's allocations.
#[test]
fn memory_is_known_beforehand_and_used_again() {
    let model = bundled_model();
    a_pass_takes_no_more_memory_than_was_said_and_not_much_less(&model);
    a_pass_and_its_way_back_allocate_nothing_once_they_have_run(&model);
}

fn a_pass_takes_no_more_memory_than_was_said_and_not_much_less(model: &Model) {
    let encoder = model.encoder();
    for (tokens, copies) in [(7, 1), (30, 1), (60, 3), (128, 2), (510, 1)] {
        let ids = vec![2023; tokens];
        let one = encoder.batch(&ids, &vec![0; tokens]).unwrap();
        let batch = Encoder::join(std::iter::repeat_n(&one, copies));
        let mut altered = batch.clone();
        altered.sequences.iter_mut().for_each(|sequence| sequence.interventions = edits(model));
        let mut patched = batch.clone();
        patched.sequences.iter_mut().for_each(|sequence| sequence.interventions = values(model, tokens));
        let cotangent = Cotangent::of_logits(&[0.0, 1.0], copies);
        let networks =
            [("its network", &batch), ("an altered one", &altered), ("one given values", &patched)];
        for (network, batch) in networks {
            for keep in [Keep::Outputs, Keep::OutputGradients, Keep::Trace, Keep::Gradients] {
                release_idle();
                let taken = peak_bytes(|| {
                    let trace = encoder.forward(batch, keep).unwrap();
                    if keep.differentiates() {
                        encoder.backward(&trace, &cotangent, &Wanted::word_embeddings()).unwrap();
                    }
                });
                let said = encoder.pass_bytes(&vec![tokens; copies], keep);
                assert!(
                    (said / 2..=said).contains(&taken),
                    "{copies} x {tokens} tokens through {network}, {keep:?}: {said} bytes were said, {taken} were taken"
                );
            }
        }
    }
}

/// An edit of every hidden state.
fn edits(model: &Model) -> Interventions {
    let config = model.encoder().config();
    let direction = vec![1.0 / (config.hidden_size as f32).sqrt(); config.hidden_size];
    let edit = |point| Intervention::Hidden { point, edit: HiddenEdit::Project(direction.clone()) };
    (0..=config.layers).map(edit).collect::<Vec<_>>().into()
}

/// Values for a head and for all neurons of every layer.
fn values(model: &Model, tokens: usize) -> Interventions {
    let config = model.encoder().config();
    let of_layer = |layer| {
        let head = vec![0.5; tokens * config.head_size()].into();
        let neurons = vec![0.5; tokens * config.intermediate_size].into();
        [
            Intervention::HeadValues { layer, head: 0, values: head },
            Intervention::NeuronValues { layer, neurons: 0..config.intermediate_size, values: neurons },
        ]
    };
    (0..config.layers).flat_map(of_layer).collect::<Vec<_>>().into()
}

fn a_pass_and_its_way_back_allocate_nothing_once_they_have_run(model: &Model) {
    let encoder = model.encoder();
    let text = model.encode(Text { first: "a gripping film, though it drags", second: None }, false).unwrap();
    let one = encoder.batch(&text.ids, &text.type_ids).unwrap();
    let batch = Encoder::join(std::iter::repeat_n(&one, 5));
    let mut trace = encoder.trace();
    let mut gradients = Gradients::default();
    let cotangent = Cotangent::of_logits(&[0.0, 1.0], 5);
    let wanted = Wanted::word_embeddings();
    for keep in [Keep::Outputs, Keep::OutputGradients] {
        let mut pass = || {
            encoder.forward_into(&batch, keep, &mut trace).unwrap();
            if keep == Keep::OutputGradients {
                encoder.backward_into(&trace, &cotangent, &wanted, &mut gradients).unwrap();
            }
        };
        assert!(allocations(&mut pass) > 0, "the first pass finds nothing to use again");
        pass();
        for _ in 0..5 {
            assert_eq!(allocations(&mut pass), 0, "{keep:?}");
        }
    }
}
