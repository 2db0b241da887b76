//! What an answer would take, without making it.

use std::collections::HashSet;
use std::sync::Arc;

use serde::Serialize;
use tokio::time::timeout_at;
use utoipa::ToSchema;

use super::visit::Visit;
use super::{Engine, Failure, OwnedText, Question};

/// What the answer about a text would take now, over and above what is cached.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Foreseen {
    /// Tokens the model sees, special ones included.
    #[schema(example = 12)]
    pub tokens: u64,
    /// Passes of the network from the text to its logits.
    pub forwards: Range,
    /// Passes of the network from the logits back to the text.
    pub backwards: Range,
    /// Seconds that it would usually take on an idle server, with all its threads.
    #[schema(example = 0.12)]
    pub seconds: f64,
    /// Bytes of memory at the peak.
    #[schema(example = 18_000_000)]
    pub bytes: u64,
    /// The parts of the answer: the prediction first, then methods by their ids.
    #[schema(example = json!([{"name": "prediction", "cached": true}, {"name": "saliency", "cached": false}]))]
    pub parts: Vec<ForeseenPart>,
}

/// How many: usually, and at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// Usually.
    #[schema(example = 18)]
    pub expected: u64,
    /// At most.
    #[schema(example = 130)]
    pub most: u64,
}

/// A part of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForeseenPart {
    /// A method's id, or `prediction`, `sentences`, `agreement`, `attention`.
    #[schema(example = "integrated_gradients")]
    pub name: &'static str,
    /// Whether it is kept already, in memory or in the database, and would not be computed.
    #[schema(example = false)]
    pub cached: bool,
}

/// What the answers about several texts would take.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Total {
    /// Tokens of all texts.
    #[schema(example = 12)]
    pub tokens: u64,
    /// Passes of the network from the texts to their logits.
    pub forwards: Range,
    /// Passes of the network from the logits back to the texts.
    pub backwards: Range,
    /// Seconds that they would usually take on an idle server, one after the other.
    #[schema(example = 0.12)]
    pub seconds: f64,
    /// Bytes of memory at the peak of the largest one.
    #[schema(example = 18_000_000)]
    pub bytes: u64,
}

impl Total {
    /// Of these texts.
    pub fn of(texts: &[&Foreseen]) -> Self {
        let range = |pick: fn(&Foreseen) -> Range| Range {
            expected: texts.iter().map(|text| pick(text).expected).sum(),
            most: texts.iter().map(|text| pick(text).most).sum(),
        };
        Total {
            tokens: texts.iter().map(|text| text.tokens).sum(),
            forwards: range(|text| text.forwards),
            backwards: range(|text| text.backwards),
            seconds: texts.iter().map(|text| text.seconds).sum(),
            bytes: texts.iter().map(|text| text.bytes).max().unwrap_or_default(),
        }
    }
}

impl Engine {
    /// Tells what [`Engine::ask`] would take. Tokenises the text and runs nothing.
    ///
    /// # Errors
    /// What is wrong with the text; [`Failure::Deadline`].
    pub async fn foresee(
        &self,
        visit: &Visit,
        question: &Arc<Question>,
        text: OwnedText,
    ) -> Result<Foreseen, Failure> {
        let foreseen = timeout_at(visit.deadline(), self.foresee_in_time(question, text)).await;
        foreseen.unwrap_or(Err(visit.late()))
    }

    async fn foresee_in_time(&self, question: &Arc<Question>, text: OwnedText) -> Result<Foreseen, Failure> {
        let keys = question.recipe(&text).keys;
        let asked = question.clone();
        let tokenised = tokio::task::spawn_blocking(move || asked.encode(&text)).await;
        let fault = |_| Failure::Internal("tokenising a text panicked".into());
        let text = tokenised.map_err(fault)??;

        let mut cached: HashSet<_> =
            keys.iter().filter(|key| self.cache.remembered(**key).is_some()).copied().collect();
        let rest: Vec<_> = keys.iter().filter(|key| !cached.contains(*key)).copied().collect();
        // What cannot be known at present would be computed.
        let kept = self.cache.kept(&rest).await.unwrap_or_default();
        cached.extend(kept.into_iter().map(|(key, _)| key));

        let demand = question.exact_demand(&text, |place| !cached.contains(&keys[place]));
        let threads = self.scheduler.threads();
        let pace = self.pace(question.model());
        let parts = question.part_names().into_iter().zip(&keys);
        Ok(Foreseen {
            tokens: text.tokens.len() as u64,
            forwards: Range { expected: demand.expected.forwards, most: demand.most.forwards },
            backwards: Range { expected: demand.expected.backwards, most: demand.most.backwards },
            seconds: demand.seconds_alone(&pace, threads),
            bytes: demand.bytes(threads) as u64,
            parts: parts.map(|(name, key)| ForeseenPart { name, cached: cached.contains(key) }).collect(),
        })
    }
}
