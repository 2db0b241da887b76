//! An altered network: "explain as if this concept were absent".

use super::answer::InterventionView;
use super::plan::Invalid;
use crate::explain::method::listed;
use crate::explain::{Configured, registry};
use crate::model::Interventions;

/// How the network is altered that a text goes through: alike for every text and every token.
#[derive(Debug, Clone)]
pub struct Altered {
    /// The changes; none of them may name tokens.
    pub interventions: Interventions,
    /// In one form, for the keys of results: equal strings, equal interventions.
    pub canonical: String,
    /// The same as answers tell of it, beside what the model says as it is. Where there is nothing to tell, answers do not
    /// say that they are about an altered network: whoever asks knows.
    pub told: Vec<InterventionView>,
}

/// Refuses methods that cannot explain an altered network.
pub(super) fn refuse_what_cannot(methods: &[Box<dyn Configured>]) -> Result<(), Invalid> {
    let cannot = methods.iter().position(|configured| !configured.method().under_interventions());
    let Some(index) = cannot else { return Ok(()) };
    let can = registry::METHODS.iter().filter(|method| method.under_interventions());
    Err(Invalid::new(
        format!("/methods/{index}"),
        format!("`{}` cannot explain an altered network", methods[index].method().id()),
        format!(
            "name methods that can ({}), or leave `interventions` out",
            listed(can.map(|method| method.id()))
        ),
    ))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use serde_json::Value;

    use super::*;
    use crate::engine::plan::ExplainRequest;
    use crate::engine::{
        AttentionPlan, AttentionRequest, ExplainPlan, OwnedText, PredictPlan, Question, Scheduler,
        answer_alone,
    };
    use crate::model::{HiddenEdit, Intervention, Model};

    fn model() -> Arc<Model> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/three-labels");
        Arc::new(Model::load("three-labels", &path).unwrap())
    }

    fn altered(model: &Model, canonical: &str) -> Altered {
        let mut axis = vec![0.0; model.config().hidden_size];
        axis[0] = 1.0;
        let edit = Intervention::Hidden { point: 1, edit: HiddenEdit::Project(axis) };
        Altered { interventions: vec![edit].into(), canonical: canonical.into(), told: Vec::new() }
    }

    fn plan(methods: &[&str]) -> Result<ExplainPlan, Invalid> {
        let model = model();
        let methods = Some(methods.iter().map(|id| id.to_string()).collect());
        let altered = Some(altered(&model, "a"));
        ExplainPlan::new(model, ExplainRequest { methods, altered, ..ExplainRequest::default() })
    }

    #[test]
    fn a_method_that_cannot_explain_an_altered_network_is_refused_by_its_place() {
        let fault = plan(&["saliency", "value_zeroing"]).err().unwrap();
        assert_eq!(fault.pointer, "/methods/1");
        assert_eq!(fault.detail, "`value_zeroing` cannot explain an altered network");
        assert!(fault.remedy.contains("deep_lift") && !fault.remedy.contains("value_zeroing"), "{fault:?}");
        let able = registry::METHODS.iter().filter(|method| method.under_interventions());
        assert!(plan(&able.map(|method| method.id()).collect::<Vec<_>>()).is_ok());
    }

    #[test]
    fn norms_of_an_altered_network_are_refused_and_its_maps_are_not() {
        let model = model();
        let plan = |include: &[&str]| {
            let include = include.iter().map(|name| name.to_string()).collect();
            let altered = Some(altered(&model, "a"));
            AttentionPlan::new(model.clone(), AttentionRequest { include, altered, ..Default::default() })
        };
        assert!(plan(&["routes"]).is_ok());
        assert_eq!(plan(&["routes", "norms"]).err().unwrap().pointer, "/include/1");
    }

    fn predict(model: &Arc<Model>, altered: Option<Altered>) -> Arc<Question> {
        Arc::new(Question::Predict(PredictPlan::new(model.clone(), false, None, altered).unwrap()))
    }

    fn text() -> OwnedText {
        OwnedText { text: "the film is good".into(), text_pair: None }
    }

    #[test]
    fn an_altered_network_has_keys_of_its_own() {
        let model = model();
        let keys = |altered: Option<Altered>| predict(&model, altered).recipe(&text()).keys;
        let of = |canonical: &str| keys(Some(altered(&model, canonical)));
        assert_eq!(of("a"), of("a"));
        assert_ne!(of("a"), of("b"));
        assert_ne!(of("a"), keys(None));
    }

    #[tokio::test]
    async fn an_answer_about_an_altered_network_is_what_it_says() {
        let model = model();
        let altered = altered(&model, "a");
        let scheduler = Scheduler::new(1, Arc::default()).unwrap();
        let mut said = Vec::new();
        for altered in [None, Some(altered.clone())] {
            let body = answer_alone(&scheduler, &predict(&model, altered), text()).await.unwrap();
            let answer: Value = serde_json::from_slice(&body).unwrap();
            said.push(answer["prediction"]["logits"][0].as_f64().unwrap());
        }
        let encoded = Question::encode(&predict(&model, None), &text()).unwrap();
        let mut batch = model.encoder().batch(&encoded.ids, &encoded.type_ids).unwrap();
        let plain = f64::from(model.encoder().logits(&batch).unwrap()[0][0]);
        batch.sequences[0].interventions = altered.interventions;
        let other = f64::from(model.encoder().logits(&batch).unwrap()[0][0]);
        assert!((said[0] - plain).abs() < 1e-5 && (said[1] - other).abs() < 1e-5, "{said:?}");
        assert!((plain - other).abs() > 1e-4, "the edit changes nothing");
    }
}
