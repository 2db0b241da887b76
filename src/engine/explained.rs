//! What the methods of a plan say of one text, judged and compared.

use std::collections::HashMap;

use super::Failure;
use super::answer::Warning;
use super::parts::{self, Made};
use super::plan::{ExplainPlan, ResolvedTarget};
use crate::explain::faithfulness::{agreement, qualities};
use crate::explain::{Attribution, Subject};
use crate::model::Decision;

/// The attributions of one text by the methods of a plan, each worked out once.
pub struct Explained<'a> {
    plan: &'a ExplainPlan,
    subject: &'a Subject,
    /// By the method's place in the plan.
    known: HashMap<usize, Result<Vec<Attribution>, Failure>>,
}

impl<'a> Explained<'a> {
    /// Nothing yet.
    pub fn new(plan: &'a ExplainPlan, subject: &'a Subject) -> Self {
        Explained { plan, subject, known: HashMap::new() }
    }

    fn attributions(&mut self, index: usize) -> Result<&[Attribution], Failure> {
        let (plan, subject) = (self.plan, self.subject);
        let attributions = self.known.entry(index).or_insert_with(|| {
            let classes = plan.target.classes(subject.prediction());
            Ok(plan.methods[index].attribute(subject, &classes, plan.seed)?)
        });
        attributions.as_deref().map_err(|failure| failure.clone())
    }

    /// The explanations of a method, by its place in the plan.
    ///
    /// # Errors
    /// As [`Configured::attribute`](crate::explain::Configured::attribute).
    pub fn by(&mut self, index: usize) -> Result<Made, Failure> {
        let (plan, subject) = (self.plan, self.subject);
        let configured = plan.methods[index].as_ref();
        let about_the_target = self.about_the_target();
        let attributions = self.attributions(index)?;
        let judged = match plan.quality {
            None => None,
            Some(depth) => {
                let given = qualities(depth, configured, subject, plan.granularity, attributions, plan.seed)?;
                Some((depth, given))
            }
        };
        parts::explanations(
            configured.method(),
            subject,
            plan.granularity,
            attributions,
            judged.as_ref().map(|(depth, given)| (*depth, given.as_slice())),
            about_the_target,
        )
    }

    /// What there is to know of the class that is explained.
    fn about_the_target(&self) -> Vec<Warning> {
        let prediction = self.subject.prediction();
        match self.plan.target {
            ResolvedTarget::Predicted if prediction.decision == Decision::Labels(Vec::new()) => {
                vec![Warning::no_label()]
            }
            ResolvedTarget::Expected(class) => {
                let config = self.subject.model().config();
                Warning::prediction_differs(config, prediction, class).into_iter().collect()
            }
            ResolvedTarget::Predicted | ResolvedTarget::All | ResolvedTarget::Class(_) => Vec::new(),
        }
    }

    /// How far the methods agree.
    ///
    /// # Errors
    /// As [`Self::by`].
    pub fn agreement(&mut self) -> Result<Made, Failure> {
        for index in 0..self.plan.methods.len() {
            self.attributions(index)?;
        }
        let known = (0..self.plan.methods.len()).filter_map(|index| self.known.get(&index)?.as_deref().ok());
        let pairs = agreement::pairs(self.subject, self.plan.granularity, &known.collect::<Vec<_>>());
        let methods: Vec<&str> =
            self.plan.methods.iter().map(|configured| configured.method().id()).collect();
        parts::agreement(&methods, &self.subject.model().config().labels, &pairs)
    }
}
