//! What pictures and pages say in words.

use super::number::{percent, plain, signed};
use super::palette::FAINTEST;
use crate::engine::Answer;
use crate::engine::answer::{
    Action, ConvergenceView, Explanation, InterventionView, LabelScore, ModelName, PredictionView,
};
use crate::explain::granularity::Granularity;
use crate::explain::{Output, registry};

/// Characters of a fingerprint that tell models apart at a glance.
const FINGERPRINT: usize = 12;

/// Labels of a model that are listed; models with hundreds of labels exist.
const LISTED_LABELS: usize = 8;

/// Something the model says, with how sure it is.
pub struct Verdict {
    /// A label, a value or that there is none.
    pub what: String,
    /// Its probability.
    pub probability: Option<String>,
}

/// What the model says: one label, several, or a value.
pub fn verdicts(prediction: &PredictionView) -> Vec<Verdict> {
    if let Some(value) = prediction.value {
        return vec![Verdict { what: plain(value.into()), probability: None }];
    }
    let labels: Vec<&String> = match (&prediction.label, &prediction.labels) {
        (Some(label), _) => vec![label],
        (None, labels) => labels.iter().flatten().collect(),
    };
    if labels.is_empty() {
        return vec![Verdict { what: "no label".to_owned(), probability: None }];
    }
    let probability = |label: &String| {
        let score = prediction.scores.iter().find(|entry| entry.label == *label);
        score.map(|entry| percent(entry.score.into()))
    };
    labels.into_iter().map(|label| Verdict { what: label.clone(), probability: probability(label) }).collect()
}

/// The same in one line: `positive 93.8 %`.
pub fn said(prediction: &PredictionView) -> String {
    let said = verdicts(prediction).into_iter().map(|verdict| match verdict.probability {
        Some(probability) => format!("{} {probability}", isolated(&verdict.what)),
        None => verdict.what,
    });
    said.collect::<Vec<_>>().join(", ")
}

/// The likeliest labels with their probabilities, and how many more there are.
pub fn labels(prediction: &PredictionView) -> String {
    let mut ranked: Vec<&LabelScore> = prediction.scores.iter().collect();
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
    let shown = ranked.iter().take(LISTED_LABELS);
    let mut said: Vec<String> =
        shown.map(|entry| format!("{} {}", isolated(&entry.label), percent(entry.score.into()))).collect();
    if ranked.len() > LISTED_LABELS {
        said.push(format!("{} more labels", ranked.len() - LISTED_LABELS));
    }
    said.join(" · ")
}

/// The model by id and the beginning of its fingerprint.
pub fn model(answer: &Answer) -> String {
    named(&answer.model)
}

/// The same, of its name alone.
pub fn named(model: &ModelName) -> String {
    format!("{} · {}", model.id, beginning(&model.fingerprint))
}

/// How the network was altered, and what it says as it is; none where it was not.
pub fn altered(answer: &Answer) -> Option<String> {
    let changes: Vec<String> = answer.interventions.as_ref()?.iter().map(change).collect();
    let without = answer
        .prediction_without
        .as_ref()
        .map(|prediction| format!(" As it is, it says: {}.", said(prediction)));
    Some(format!("Altered network: {}.{}", changes.join(", "), without.unwrap_or_default()))
}

fn change(intervention: &InterventionView) -> String {
    let InterventionView { concept, action, method, strength, layer } = intervention;
    let by = match action {
        Action::Erase => method.map(|method| format!(" by {}", method.name())),
        Action::Push => strength.map(|strength| format!(" by {}", signed(strength))),
    };
    let done = match action {
        Action::Erase => "erased",
        Action::Push => "pushed",
    };
    format!("{}@{} {done}{} at layer {layer}", concept.name, concept.version, by.unwrap_or_default())
}

/// The beginning of the model's fingerprint.
pub fn fingerprint(answer: &Answer) -> String {
    beginning(&answer.model.fingerprint)
}

fn beginning(fingerprint: &str) -> String {
    fingerprint.chars().take(FINGERPRINT).collect()
}

/// A method's name, or its id where the program that made the answer knew other methods.
pub fn method(explanation: &Explanation) -> &str {
    method_name(&explanation.method)
}

/// The same, of the id alone.
pub fn method_name(id: &str) -> &str {
    registry::find(id).map_or(id, |method| method.name())
}

/// ` for positive, in logits`: what follows the method's name.
pub fn subject(explanation: &Explanation) -> String {
    let target = explanation.target.as_ref().map(|target| format!(" for {}", isolated(&target.label)));
    let output = explanation.output.map(|output| format!(", in {}", measure(output)));
    format!("{}{}", target.unwrap_or_default(), output.unwrap_or_default())
}

fn measure(output: Output) -> &'static str {
    match output {
        Output::Logit => "logits",
        Output::Probability => "probability",
        Output::LogOdds => "log-odds",
        Output::Margin => "logits of margin",
    }
}

/// What the texts of a pair are called in a request.
pub const TEXT_NAMES: [&str; 2] = ["text", "text_pair"];

/// What one unit is called, and several of them.
pub fn unit_names(granularity: Granularity) -> (&'static str, &'static str) {
    match granularity {
        Granularity::Token => ("Token", "tokens"),
        Granularity::Word => ("Word", "words"),
        Granularity::Sentence => ("Sentence", "sentences"),
    }
}

/// What whiskers are.
pub const WHISKERS: &str = "Whiskers reach one standard error to either side: how far chance moves a score.";

/// `17 gradients`, `512 altered texts`: what was computed for it.
pub fn taken(convergence: &ConvergenceView) -> String {
    match (convergence.gradients, convergence.forwards) {
        (gradients, 0) => format!("{gradients} gradients"),
        (0, forwards) => format!("{forwards} altered texts"),
        (gradients, forwards) => format!("{gradients} gradients and {forwards} altered texts"),
    }
}

/// How the scores add up, and how far that can be trusted.
pub fn sums(explanation: &Explanation) -> String {
    let sum = |scores: &[f32]| scores.iter().map(|score| f64::from(*score)).sum::<f64>();
    let special = explanation.special_scores.as_deref().map(sum);
    let total = sum(&explanation.scores) + special.unwrap_or(0.0);
    let mut said = format!("Σ scores {}", signed(total));
    if let Some(special) = special {
        said.push_str(&format!(" (special tokens {})", signed(special)));
    }
    if let Some(residue) = explanation.residue {
        said.push_str(&format!(", and {} that went to the network's biases", signed(residue.into())));
    }
    let Some(convergence) = &explanation.convergence else { return said };
    let (before, after) = (convergence.baseline_output, convergence.target_output);
    let within = convergence.delta.abs() <= convergence.tolerance;
    said.push_str(&format!(
        ". Output {} → {}, a change of {}. Delta {} is {} the tolerance of {}: {} after {}.",
        plain(before.into()),
        plain(after.into()),
        signed((after - before).into()),
        signed(convergence.delta.into()),
        if within { "within" } else { "beyond" },
        plain(convergence.tolerance.into()),
        if convergence.converged { "converged" } else { "not converged" },
        taken(convergence),
    ));
    said
}

/// The ends of the scale of colours: what the largest score speaks for and, where there are scores of both
/// signs, against.
pub fn scale_ends(explanation: &Explanation, largest: f32) -> (Option<String>, String) {
    let (low, high) = (signed((-largest).into()), signed(largest.into()));
    let both_signs = explanation.scores.iter().any(|score| *score < 0.0);
    match (both_signs, explanation.target.is_some()) {
        (true, true) => (Some(format!("against {low}")), format!("{high} for")),
        (true, false) => (Some(low), high),
        (false, _) => (None, high),
    }
}

/// A text that may run right to left, kept from turning round what follows it.
pub fn isolated(text: &str) -> String {
    match text.is_ascii() {
        true => text.to_owned(),
        false => format!("\u{2068}{text}\u{2069}"),
    }
}

/// Which scores have no colour.
pub fn faintest() -> String {
    format!("under {:.0}\u{a0}% of the largest: no colour", 100.0 * FAINTEST)
}

/// A label of one line: the beginning of a text, without what would break the line.
pub fn shortened(text: &str, longest: usize) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match clean.chars().count() > longest {
        true => clean.chars().take(longest - 1).chain(['…']).collect(),
        false => clean,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    #[test]
    fn an_explanation_says_its_method_target_and_unit() {
        let answer = sample::review();
        let explanation = &answer.explanations.as_ref().unwrap()[0];
        assert_eq!(method(explanation), "Integrated Gradients");
        assert_eq!(subject(explanation), " for positive, in logits");
        assert_eq!(
            sums(explanation),
            "Σ scores +1.361 (special tokens 0.000). Output −0.006 → 1.357, a change of +1.362. \
             Delta −0.001 is within the tolerance of 0.014: converged after 17 gradients."
        );
    }

    #[test]
    fn an_altered_network_is_told_in_one_line_with_what_it_says_as_it_is() {
        assert_eq!(altered(&sample::review()), None);
        assert_eq!(
            altered(&sample::altered()).unwrap(),
            "Altered network: acting@2 erased by leace at layer 4, boredom@1 pushed by −1.500 at layer 3. As it is, it says: \
             negative 93.8\u{a0}%."
        );
    }

    #[test]
    fn what_relevance_leaves_out_is_told_beside_the_sum() {
        let mut explanation = sample::review().explanations.unwrap().remove(0);
        (explanation.residue, explanation.convergence) = (Some(0.25), None);
        assert_eq!(
            sums(&explanation),
            "Σ scores +1.361 (special tokens 0.000), and +0.250 that went to the network's biases"
        );
    }

    #[test]
    fn the_scale_speaks_for_and_against_only_where_there_is_a_target_and_both_signs() {
        let mut explanation = sample::review().explanations.unwrap().remove(0);
        assert_eq!(scale_ends(&explanation, 0.9), (Some("against −0.900".into()), "+0.900 for".into()));
        explanation.target = None;
        assert_eq!(scale_ends(&explanation, 0.9), (Some("−0.900".into()), "+0.900".into()));
        explanation.scores = vec![0.9];
        assert_eq!(scale_ends(&explanation, 0.9), (None, "+0.900".into()));
    }

    #[test]
    fn a_prediction_is_a_label_several_labels_a_value_or_none() {
        let mut prediction = sample::review().prediction;
        let said = |prediction: &PredictionView| {
            let verdicts = verdicts(prediction).into_iter();
            let said = verdicts.map(|verdict| verdict.what + verdict.probability.as_deref().unwrap_or(""));
            said.collect::<Vec<_>>()
        };
        assert_eq!(said(&prediction), ["positive93.8\u{a0}%"]);
        prediction.label = None;
        prediction.labels = Some(vec!["negative".into(), "positive".into()]);
        assert_eq!(said(&prediction), ["negative6.2\u{a0}%", "positive93.8\u{a0}%"]);
        prediction.labels = Some(Vec::new());
        assert_eq!(said(&prediction), ["no label"]);
        prediction.value = Some(-2.5);
        assert_eq!(said(&prediction), ["−2.500"]);
    }
}
