//! Answers that nobody waits for: the rows of a job.

use std::sync::Arc;
use std::time::Duration;

use super::computation::Work;
use super::flight::Boarding;
use super::visit::Gathered;
use super::{Engine, Failure, OwnedText, Question, put_together};
use crate::metrics::Source;

/// How long it is waited until it is looked for room again.
const ROOM: Duration = Duration::from_millis(50);

impl Engine {
    /// Answers a question about a text when there is nothing else to do: the bytes that [`Engine::ask`] gives. Takes
    /// what is in memory or under way, and leaves nothing behind there; the database is not asked. Never refused:
    /// waits for room instead.
    ///
    /// # Errors
    /// What is wrong with the text, or [`Failure::Internal`].
    pub async fn ask_in_background(
        self: &Arc<Self>,
        question: &Arc<Question>,
        text: OwnedText,
    ) -> Result<Vec<u8>, Failure> {
        let recipe = question.recipe(&text);
        let mut gathered = Gathered::default();
        for key in &recipe.keys {
            if let Some(record) = self.cache.remembered(*key) {
                gathered.add(*key, record, Source::Memory);
            }
        }
        let lacking = gathered.lacking(&recipe);
        if !lacking.is_empty() {
            let need = question.probable_demand(&text).need(&self.pace(question.model()));
            let place = loop {
                match self.admission.enter_unawaited(&need) {
                    Some(place) => break Arc::new(place),
                    None => tokio::time::sleep(ROOM).await,
                }
            };
            let Boarding::Boarded(tickets, duty) = self.flights.board(&lacking, true, false) else {
                return Err(Failure::Internal("a flight could not begin".into()));
            };
            if let Some(duty) = duty {
                let awaited = duty.awaited().clone();
                let errand = Arc::new(place.begin(need, awaited.clone()));
                let (engine, question) = (self.clone(), question.clone());
                let work = Work { question, text, place: Some(place), errand, awaited, is_shared: false };
                duty.fly(|duty| engine.fly(duty, work));
            }
            gathered.land_all(tickets).await?;
        }
        Ok(put_together(Some(recipe.id()), &recipe, &gathered.in_order(&recipe)?))
    }

    /// Seconds that a question would take about these texts, one after the other on an idle server with all its
    /// threads, before any is tokenised.
    pub fn probable_seconds<'a>(
        &self,
        question: &Question,
        texts: impl Iterator<Item = &'a OwnedText>,
    ) -> f64 {
        let pace = self.pace(question.model());
        let seconds: f64 = texts.map(|text| question.probable_demand(text).need(&pace).seconds).sum();
        seconds / self.scheduler.threads() as f64
    }

    /// How many texts keep all workers busy.
    pub fn texts_at_a_time(&self) -> usize {
        2 * self.scheduler.threads()
    }
}
