//! What is looked at of one answer to judge methods by.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::engine::answer::PredictionView;

/// Figures of an explanation that are averaged, in the order of [`Judgement::figures`].
pub(super) const FIGURES: usize = 7;

/// Where comprehensiveness stands among the figures.
pub(super) const COMPREHENSIVENESS: usize = 0;

/// Where it stands by how much the scores are better than chance.
pub(super) const BETTER_THAN_RANDOM_BY: usize = 4;

/// One row of a set whose explanations were judged.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgedRow {
    /// Its number, from 0.
    pub row: u64,
    /// What the dataset says of the text.
    pub label: Option<String>,
    /// What there is to judge by; none if the answer is a problem.
    pub text: Option<JudgedText>,
}

/// A text whose explanations were judged. Methods are named by their places in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgedText {
    /// What the model says.
    pub prediction: PredictionView,
    /// Its tokens, special ones included.
    pub tokens: usize,
    /// How each method of the list fared; none for those that have not explained it.
    pub judgements: Vec<Option<Judgement>>,
    /// How far two methods of the list agree.
    pub agreements: Vec<Agreed>,
}

/// How a method fared on one text. Where it explained several classes, their means.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// Classes that it explained.
    pub classes: usize,
    /// Comprehensiveness, sufficiency, log-odds drop, correlation with leaving one out, better than random by,
    /// infidelity, max-sensitivity, as `docs/quality.md` defines them; none where undefined for every class.
    pub figures: [Option<f64>; FIGURES],
    /// What the scores took, all classes together, for methods that count it.
    pub work: Option<Work>,
}

/// What an explanation says that it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Work {
    /// Gradients.
    pub gradients: u64,
    /// Altered texts that were run forward alone.
    #[serde(default)]
    pub forwards: u64,
}

/// How far two methods agree on one text. Where both explained several classes, the means.
#[derive(Debug, Clone, PartialEq)]
pub struct Agreed {
    /// Both, by their places in the list, the lower one first.
    pub methods: [usize; 2],
    /// Spearman's rank correlation; none where undefined for every class.
    pub spearman: Option<f64>,
    /// The share of the strongest parts that both have in common.
    pub overlap: f64,
}

/// An answer without what is not looked at. Numbers are those of the digits that stand in the answer: whoever reads
/// these gets the same means.
#[derive(Deserialize)]
struct Answered {
    prediction: PredictionView,
    tokens: Vec<IgnoredAny>,
    explanations: Vec<Explained>,
    #[serde(default)]
    agreement: Vec<Pair>,
}

#[derive(Deserialize)]
struct Explained {
    method: String,
    convergence: Option<Work>,
    quality: Quality,
}

/// The figures of [`Depth::Full`](crate::explain::faithfulness::Depth::Full).
#[derive(Deserialize)]
struct Quality {
    comprehensiveness: f64,
    sufficiency: f64,
    log_odds_drop: f64,
    leave_one_out_correlation: Option<f64>,
    better_than_random_by: Option<f64>,
    infidelity: Option<f64>,
    max_sensitivity: Option<f64>,
}

#[derive(Deserialize)]
struct Pair {
    methods: [String; 2],
    spearman: Option<f64>,
    top_k: Top,
}

#[derive(Deserialize)]
struct Top {
    overlap: f64,
}

impl JudgedText {
    /// Reads an answer as it stands in JSON, an [`Answer`](crate::engine::Answer) with all quality figures, for these
    /// methods.
    ///
    /// # Errors
    /// It is no such answer. The error may quote the text.
    pub fn read(answer: &[u8], methods: &[String]) -> Result<Self, serde_json::Error> {
        let answered: Answered = serde_json::from_slice(answer)?;
        let judgement = |method: &String| {
            let by_method = answered.explanations.iter().filter(|explained| explained.method == *method);
            Judgement::of(&by_method.collect::<Vec<_>>())
        };
        Ok(JudgedText {
            tokens: answered.tokens.len(),
            judgements: methods.iter().map(judgement).collect(),
            agreements: agreements(&answered.agreement, methods),
            prediction: answered.prediction,
        })
    }
}

impl Judgement {
    /// Of what a method has given, once for each class; none if that is nothing.
    fn of(explained: &[&Explained]) -> Option<Self> {
        let figures = |place: usize| mean(explained.iter().filter_map(|one| one.quality.listed()[place]));
        let work = explained.iter().filter_map(|one| one.convergence);
        (!explained.is_empty()).then(|| Judgement {
            classes: explained.len(),
            figures: std::array::from_fn(figures),
            work: work.reduce(|sum, one| Work {
                gradients: sum.gradients + one.gradients,
                forwards: sum.forwards + one.forwards,
            }),
        })
    }
}

impl Quality {
    fn listed(&self) -> [Option<f64>; FIGURES] {
        [
            Some(self.comprehensiveness),
            Some(self.sufficiency),
            Some(self.log_odds_drop),
            self.leave_one_out_correlation,
            self.better_than_random_by,
            self.infidelity,
            self.max_sensitivity,
        ]
    }
}

fn agreements(pairs: &[Pair], methods: &[String]) -> Vec<Agreed> {
    let mut agreements = Vec::new();
    for (first, one) in methods.iter().enumerate() {
        for (second, other) in methods.iter().enumerate().skip(first + 1) {
            let are_these = |pair: &&Pair| {
                pair.methods.each_ref() == [one, other] || pair.methods.each_ref() == [other, one]
            };
            let met: Vec<&Pair> = pairs.iter().filter(are_these).collect();
            agreements.extend(mean(met.iter().map(|pair| pair.top_k.overlap)).map(|overlap| Agreed {
                methods: [first, second],
                spearman: mean(met.iter().filter_map(|pair| pair.spearman)),
                overlap,
            }));
        }
    }
    agreements
}

/// None of none.
fn mean(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = numbers.fold((0.0, 0u32), |(sum, count), number| (sum + number, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn explanation(method: &str, quality: Value, convergence: Value) -> Value {
        json!({"method": method, "target": null, "scores": [1.0], "convergence": convergence, "quality": quality})
    }

    fn full(comprehensiveness: f64, infidelity: Value) -> Value {
        json!({
            "level": "full", "comprehensiveness": comprehensiveness, "sufficiency": 0.25, "log_odds_drop": 1.5,
            "leave_one_out_correlation": null, "random_comprehensiveness": 0.5, "better_than_random_by": -0.25,
            "infidelity": infidelity, "max_sensitivity": 0.125, "baseline_band": null
        })
    }

    fn answer(explanations: Value, agreement: Value) -> Vec<u8> {
        let prediction = json!({"label": "a", "index": 0, "logits": [1.0], "scores": []});
        let answer = json!({
            "prediction": prediction, "tokens": [{}, {}, {}], "explanations": explanations, "agreement": agreement
        });
        answer.to_string().into_bytes()
    }

    #[test]
    fn several_classes_of_a_text_count_once_with_their_means_and_the_sum_of_their_work() {
        let explanations = json!([
            explanation("random", full(0.0, Value::Null), Value::Null),
            explanation("lime", full(0.5, json!(2.0)), json!({"gradients": 0, "forwards": 8})),
            explanation("lime", full(0.25, Value::Null), json!({"gradients": 3})),
        ]);
        let pair = |spearman: Value, overlap: f64| {
            json!({
                "methods": ["lime", "random"], "target": null, "spearman": spearman, "top_k": {"k": 5, "overlap": overlap}
            })
        };
        let agreement = json!([pair(json!(0.5), 1.0), pair(Value::Null, 0.5)]);
        let methods = ["random", "lime", "saliency"].map(str::to_owned);
        let text = JudgedText::read(&answer(explanations, agreement), &methods).unwrap();
        assert_eq!(text.tokens, 3);
        assert_eq!(text.agreements, [Agreed { methods: [0, 1], spearman: Some(0.5), overlap: 0.75 }]);
        let [random, lime, saliency] = text.judgements.try_into().unwrap();
        assert_eq!((random.unwrap().work, saliency), (None, None));
        let lime: Judgement = lime.unwrap();
        assert_eq!((lime.classes, lime.work), (2, Some(Work { gradients: 3, forwards: 8 })));
        let figures = [Some(0.375), Some(0.25), Some(1.5), None, Some(-0.25), Some(2.0), Some(0.125)];
        assert_eq!(lime.figures, figures);
    }

    #[test]
    fn without_all_figures_there_is_nothing_to_judge_by() {
        let fast = json!({"level": "fast", "comprehensiveness": 0.5, "sufficiency": 0.25});
        for quality in [Value::Null, fast] {
            let explanations = json!([explanation("random", quality, Value::Null)]);
            assert!(JudgedText::read(&answer(explanations, json!([])), &["random".to_owned()]).is_err());
        }
    }
}
