//! In the steady state a pass through the network takes all its memory from what earlier passes gave back.
//! A test binary of its own, because it counts what the whole process allocates.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use explaind::model::{Cotangent, Encoder, Gradients, Keep, Model, Text, Wanted};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came; counting touches nothing else.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
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

#[test]
fn a_pass_and_its_way_back_allocate_nothing_once_they_have_run() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/movie-reviews");
    let model = Model::load("movie-reviews", &directory).unwrap();
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
