//! Runs work that it is told on standard input, one JSON object a line, and answers each with one JSON
//! line: how long every repetition took, and what came out. `tools/compare_captum.py` drives it.
//!
//! ```text
//! measure --model models/movie-reviews --threads 2
//! {"work": "forward", "texts": ["A gripping film."], "repetitions": 3}
//! ```

use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use explaind::engine::plan::ExplainRequest;
use explaind::engine::{ExplainPlan, OwnedText, Question, Scheduler, answer_alone};
use explaind::explain::granularity::Granularity;
use explaind::explain::registry;
use explaind::kernels::simd::{InstructionSet, Kernel, Simd};
use explaind::model::{Batch, Encoder, Keep, Model, Text, Trace};
use serde::Deserialize;
use serde_json::{Map, Value, json};

type Fault = Box<dyn std::error::Error + Send + Sync>;

#[derive(Deserialize)]
struct Order {
    #[serde(flatten)]
    work: Work,
    #[serde(default = "once")]
    repetitions: usize,
}

/// Forward passes are timed from token ids to logits, explanations from the text to the JSON.
#[derive(Deserialize)]
#[serde(tag = "work", rename_all = "snake_case")]
enum Work {
    /// The logits of a batch.
    Forward { texts: Vec<String> },
    /// The same, with every attention map kept.
    Attention { texts: Vec<String> },
    /// An answer of `/v1/explain`, computed without a cache.
    Explain {
        text: String,
        methods: Vec<String>,
        #[serde(default)]
        options: Map<String, Value>,
    },
    /// What can be asked.
    Methods,
    /// The most multiply-adds that a core does in a second, in billions of operations.
    Peak,
}

fn once() -> usize {
    1
}

struct Runner {
    model: Arc<Model>,
    scheduler: Scheduler,
    runtime: tokio::runtime::Runtime,
    threads: usize,
}

fn main() -> Result<(), Fault> {
    let runner = Runner::from_arguments()?;
    let mut output = std::io::stdout().lock();
    writeln!(output, "{}", json!({"ready": true, "version": env!("CARGO_PKG_VERSION")}))?;
    output.flush()?;
    for line in std::io::stdin().lock().lines() {
        let answer = runner.answer(&line?).unwrap_or_else(|fault| json!({"error": fault.to_string()}));
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}

impl Runner {
    fn from_arguments() -> Result<Self, Fault> {
        const USAGE: &str = "usage: measure --model DIRECTORY --threads N";
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let value = |flag: &str| {
            let place = arguments.iter().position(|argument| argument == flag).ok_or(USAGE)?;
            arguments.get(place + 1).ok_or(USAGE)
        };
        let threads = value("--threads")?.parse()?;
        Ok(Runner {
            model: Arc::new(Model::load("measured", Path::new(value("--model")?))?),
            scheduler: Scheduler::new(threads, Arc::default())?,
            runtime: tokio::runtime::Builder::new_current_thread().build()?,
            threads,
        })
    }

    fn answer(&self, line: &str) -> Result<Value, Fault> {
        let Order { work, repetitions } = serde_json::from_str(line)?;
        match work {
            Work::Forward { texts } => self.forward(&texts, Keep::Outputs, repetitions),
            Work::Attention { texts } => self.forward(&texts, Keep::Trace, repetitions),
            Work::Explain { text, methods, options } => self.explain(&text, &methods, &options, repetitions),
            Work::Methods => {
                let ids: Vec<&str> = registry::METHODS.iter().map(|method| method.id()).collect();
                Ok(json!({ "methods": ids }))
            }
            Work::Peak => Ok(peak()),
        }
    }

    fn forward(&self, texts: &[String], keep: Keep, repetitions: usize) -> Result<Value, Fault> {
        let encoder = self.model.encoder();
        let batches = texts
            .iter()
            .map(|text| {
                let encoded = self.model.encode(Text { first: text, second: None }, false)?;
                Ok(encoder.batch(&encoded.ids, &encoded.type_ids)?)
            })
            .collect::<Result<Vec<Batch>, Fault>>()?;
        let share = batches.len().div_ceil(self.threads);
        let (mut milliseconds, mut logits) = (Vec::new(), Vec::new());
        for _ in 0..repetitions {
            let started = Instant::now();
            let traces = std::thread::scope(|scope| {
                let run = |share: &[Batch]| encoder.forward(&Encoder::join(share), keep);
                let mut shares = batches.chunks(share);
                let own = shares.next();
                let others: Vec<_> = shares.map(|share| scope.spawn(move || run(share))).collect();
                let others = others.into_iter().map(|other| other.join().map_err(|_| "a panic"));
                let own: Vec<_> = own.map(|share| Ok(run(share))).into_iter().collect();
                own.into_iter().chain(others).collect::<Result<Vec<_>, _>>()
            })?;
            milliseconds.push(started.elapsed().as_secs_f64() * 1e3);
            let traces = traces.into_iter().collect::<candle_core::Result<Vec<_>>>()?;
            let of = |trace: &Trace| {
                (0..trace.rows().len()).map(|sequence| trace.logits(sequence).to_vec()).collect::<Vec<_>>()
            };
            logits = traces.iter().flat_map(of).collect();
        }
        Ok(json!({"milliseconds": milliseconds, "logits": logits}))
    }

    fn explain(
        &self,
        text: &str,
        methods: &[String],
        options: &Map<String, Value>,
        repetitions: usize,
    ) -> Result<Value, Fault> {
        let (mut milliseconds, mut answer) = (Vec::new(), Vec::new());
        for _ in 0..repetitions {
            let started = Instant::now();
            let request = ExplainRequest {
                methods: Some(methods.to_vec()),
                options: options.clone(),
                granularity: Granularity::Token,
                ..ExplainRequest::default()
            };
            let plan = ExplainPlan::new(self.model.clone(), request).map_err(|invalid| invalid.detail)?;
            let question = Question::Explain(plan);
            let text = OwnedText { text: text.to_owned(), text_pair: None };
            answer = self.runtime.block_on(answer_alone(&self.scheduler, &Arc::new(question), text))?;
            milliseconds.push(started.elapsed().as_secs_f64() * 1e3);
        }
        Ok(json!({"milliseconds": milliseconds, "answer": serde_json::from_slice::<Value>(&answer)?}))
    }
}

/// Multiply-adds on as many accumulators as hide their latency.
struct Rounds(usize);

impl Kernel for Rounds {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f32 {
        match S::TILE_VECTORS {
            1 => accumulate::<S, 6>(simd, self.0),
            _ => accumulate::<S, 12>(simd, self.0 / 2),
        }
    }
}

#[inline(always)]
fn accumulate<S: Simd, const COUNT: usize>(simd: S, rounds: usize) -> f32 {
    let (factor, term) = (simd.splat(0.999_999), simd.splat(0.001));
    let mut sums = [simd.zero(); COUNT];
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = simd.mul_add(*sum, factor, term);
        }
    }
    sums.into_iter().map(|sum| simd.sum(sum)).sum()
}

/// The best of a few tries.
fn peak() -> Value {
    const ROUNDS: usize = 20_000_000;
    let set = InstructionSet::best();
    let once = || {
        let started = Instant::now();
        std::hint::black_box(set.run(Rounds(std::hint::black_box(ROUNDS))));
        let operations = (ROUNDS * 6 * explaind::kernels::simd::LANES * 2) as f64;
        operations / started.elapsed().as_secs_f64() / 1e9
    };
    json!({"gigaflops": (0..5).map(|_| once()).fold(0.0, f64::max), "instructions": set.name()})
}
