//! How many gradients does an integral along the path take? Evaluates many nodes for each text of a list and
//! holds quadrature rules against the integral they should give. `docs/integrated-gradients.md` tells what
//! came out.
//!
//! `cargo run --release --example quadrature -- MODEL_DIRECTORY BASELINE TEXTS COUNT [PAIR_TEXTS]`
//!
//! TEXTS has one text a line, up to the first tab. With PAIR_TEXTS, its lines become second texts. Prints one
//! JSON line a text: for each rule, its delta and the largest error of any token, as a share of the
//! largest score.

use std::path::Path as FilePath;
use std::sync::Arc;

use explaind::explain::attribution::gradient::baseline::Baseline;
use explaind::explain::attribution::gradient::path::{Path, PathPoint};
use explaind::explain::attribution::gradient::quadrature::gauss_legendre;
use explaind::explain::crew::Alone;
use explaind::explain::{Output, Subject};
use explaind::model::{Keep, Model, Text};
use serde_json::{Value, json};

/// Intervals of the finest rule; Simpson's rule on them is taken for the truth.
const INTERVALS: usize = 64;
/// On this many texts, the truth is itself held against 512 Gauss–Legendre nodes.
const CHECKED: usize = 10;
/// On this many texts, Gauss–Legendre rules with fewer nodes are tried as well.
const COMPARED: usize = 60;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, baseline, texts, count, ..] = arguments.as_slice() else {
        return Err("MODEL_DIRECTORY BASELINE TEXTS COUNT [PAIR_TEXTS]".into());
    };
    let model = Arc::new(Model::load("studied", FilePath::new(directory))?);
    let baseline: Baseline = serde_json::from_value(json!(baseline))?;
    let lines = |path: &str| -> std::io::Result<Vec<String>> {
        let content = std::fs::read_to_string(path)?;
        Ok(content.lines().skip(1).filter_map(|line| line.split('\t').next().map(str::to_owned)).collect())
    };
    let seconds = arguments.get(4).map(|path| lines(path)).transpose()?;
    for (index, first) in lines(texts)?.iter().take(count.parse()?).enumerate() {
        let second = seconds.as_ref().map(|seconds| seconds[index % seconds.len()].as_str());
        println!("{}", study(&model, &baseline, Text { first, second }, index)?);
    }
    Ok(())
}

fn study(
    model: &Arc<Model>,
    baseline: &Baseline,
    text: Text<'_>,
    index: usize,
) -> Result<Value, Box<dyn std::error::Error>> {
    let text = model.encode(text, true).map_err(|error| error.to_string())?;
    let subject = Subject::new(model.clone(), text, Keep::Outputs, Arc::new(Alone))?;
    let class = subject.prediction().predicted_classes()[0];
    let path = Path::new(&subject, Output::Logit, baseline.embeddings("integrated_gradients", &subject)?)?;
    let evaluate = |positions: &[f64]| -> Result<Vec<PathPoint>, Box<dyn std::error::Error>> {
        Ok(path.evaluate(positions, &[class])?.into_iter().map(|mut point| point.swap_remove(0)).collect())
    };
    let gauss = |nodes: usize| -> Result<Vec<f64>, Box<dyn std::error::Error>> {
        let rule = gauss_legendre(nodes);
        let points = evaluate(&rule.iter().map(|node| node.position).collect::<Vec<_>>())?;
        Ok(weighted(rule.iter().map(|node| node.weight).zip(&points)))
    };
    let grid = evaluate(&(0..=INTERVALS).map(|i| i as f64 / INTERVALS as f64).collect::<Vec<_>>())?;
    let change = grid[INTERVALS].output - grid[0].output;
    let truth = simpson(&grid, INTERVALS);
    let against = |scores: &[f64], truth: &[f64]| {
        let largest = truth.iter().fold(0.0f64, |largest, score| largest.max(score.abs()));
        let apart = scores.iter().zip(truth).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        json!({"delta": scores.iter().sum::<f64>() - change, "token": apart / largest})
    };
    let mut rules = serde_json::Map::new();
    let mut intervals = 4;
    while intervals <= INTERVALS {
        rules.insert(format!("trapezoid_{}", intervals + 1), against(&trapezoid(&grid, intervals), &truth));
        let simpson = simpson(&grid, intervals);
        rules.insert(format!("simpson_{}", intervals + 1), against(&simpson, &truth));
        let moved = against(&trapezoid(&grid, intervals), &trapezoid(&grid, intervals / 2));
        rules.insert(format!("moved_{}", intervals + 1), moved);
        intervals *= 2;
    }
    if index < COMPARED {
        for nodes in [8, 12, 16, 20, 24, 32, 50] {
            rules.insert(format!("gauss_{nodes}"), against(&gauss(nodes)?, &truth));
        }
    }
    if index < CHECKED {
        rules.insert("truth".into(), against(&truth, &gauss(512)?));
    }
    let slope = |point: &PathPoint| point.slopes.iter().sum::<f64>();
    let slopes: Vec<f64> = grid.iter().step_by(4).map(slope).collect();
    Ok(json!({"tokens": subject.tokens(), "change": change, "rules": rules, "slopes": slopes}))
}

fn weighted<'a>(points: impl Iterator<Item = (f64, &'a PathPoint)>) -> Vec<f64> {
    let mut scores = Vec::new();
    for (weight, point) in points {
        scores.resize(point.slopes.len(), 0.0);
        scores.iter_mut().zip(&point.slopes).for_each(|(score, slope)| *score += weight * slope);
    }
    scores
}

/// The trapezoid rule on every so-manieth point of the grid.
fn trapezoid(grid: &[PathPoint], intervals: usize) -> Vec<f64> {
    let points = grid.iter().step_by((grid.len() - 1) / intervals).enumerate();
    weighted(points.map(|(index, point)| {
        let half = if index == 0 || index == intervals { 0.5 } else { 1.0 };
        (half / intervals as f64, point)
    }))
}

/// Simpson's rule: the trapezoid rule and the one on half the intervals, extrapolated.
fn simpson(grid: &[PathPoint], intervals: usize) -> Vec<f64> {
    let (fine, coarse) = (trapezoid(grid, intervals), trapezoid(grid, intervals / 2));
    fine.iter().zip(coarse).map(|(fine, coarse)| fine + (fine - coarse) / 3.0).collect()
}
