use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::edits::{Edit, Head, check_together};
use super::grid::{GridPlan, GridRequest};
use super::what_if::{WhatIfPlan, WhatIfRequest};
use crate::engine::answer::GridAction;
use crate::engine::draft::Draft;
use crate::engine::inquiry::Inquiry;
use crate::engine::{Failure, Invalid, OwnedText, Target};
use crate::explain::crew::Alone;
use crate::explain::{Output, Subject};
use crate::model::{Keep, Model};

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models").join(name)
}

fn model() -> Arc<Model> {
    Arc::new(Model::load("three-labels", &fixture("three-labels")).unwrap())
}

/// A model whose vocabulary has another token where the mask was.
fn without_mask() -> Arc<Model> {
    let directory = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(fixture("cased")).unwrap() {
        let file = file.unwrap().path();
        std::fs::copy(&file, directory.path().join(file.file_name().unwrap())).unwrap();
    }
    let vocabulary = directory.path().join("vocab.txt");
    let tokens = std::fs::read_to_string(&vocabulary).unwrap();
    std::fs::write(&vocabulary, tokens.replace("[MASK]", "[LOST]")).unwrap();
    Arc::new(Model::load("maskless", directory.path()).unwrap())
}

fn plan(model: &Arc<Model>, edits: Vec<Edit>, output: Output) -> Result<WhatIfPlan, Failure> {
    WhatIfPlan::new(model.clone(), WhatIfRequest { edits, target: Target::Predicted, output })
}

fn refusal(model: &Arc<Model>, edits: Vec<Edit>) -> Invalid {
    match plan(model, edits, Output::Logit).err() {
        Some(Failure::Field(invalid)) => invalid,
        other => panic!("{other:?}"),
    }
}

fn patch(layer: usize, from: &str) -> Edit {
    Edit::Patch { layer, from: OwnedText { text: from.into(), text_pair: None }, words: None }
}

/// Whether the answer to a question about a text says that it is whole, and what was written down last before it.
fn said_to_be_whole(asked: &dyn Inquiry, text: &str) -> [Value; 2] {
    let sent = OwnedText { text: text.into(), text_pair: None };
    let read = asked.model().encode(sent.as_text(), false).unwrap();
    let subject = Subject::new(asked.model().clone(), read, Keep::Outputs, Arc::new(Alone)).unwrap();
    let draft = Draft::default();
    let answer = asked.find(&sent, &subject, &draft).unwrap();
    [answer, draft.read().unwrap()].map(|made| {
        let view: Value = serde_json::from_slice(&made.body).unwrap();
        view["complete"].clone()
    })
}

#[test]
fn nothing_is_whole_that_is_written_down_before_the_end() {
    let model = model();
    let request = GridRequest { actions: None, target: Target::Predicted, output: Output::Logit };
    let grid = GridPlan::new(model.clone(), request).unwrap();
    let delete = |word: usize| Edit::Delete { words: vec![word] };
    let what_if = plan(&model, vec![delete(0), delete(1)], Output::Logit).unwrap();
    for asked in [&grid as &dyn Inquiry, &what_if] {
        assert_eq!(said_to_be_whole(asked, "A funny film"), [json!(true), json!(false)]);
    }
}

#[test]
fn a_text_grows_by_what_is_put_in_and_not_beyond_what_the_model_takes() {
    let model = model();
    let longest = |edits: Vec<Edit>| plan(&model, edits, Output::Logit).unwrap().longest(9);
    let replace = |word: usize, with: &str| Edit::Replace { word, with: with.into() };
    assert_eq!(longest(vec![Edit::Delete { words: vec![1] }]), 9);
    assert_eq!(longest(vec![replace(0, "dull"), replace(1, "very dull")]), 9 + 2 + 3);
    assert_eq!(longest(vec![replace(0, &"x".repeat(200))]), model.config().positions);
}

#[test]
fn masks_are_refused_where_the_vocabulary_has_none_and_left_out_where_they_were_not_asked_for() {
    let model = without_mask();
    assert_eq!(refusal(&model, vec![Edit::Mask { words: vec![0] }]).pointer, "/edits/0/action");
    let grid = |actions: Option<Vec<GridAction>>| {
        GridPlan::new(
            model.clone(),
            GridRequest { actions, target: Target::Predicted, output: Output::Logit },
        )
    };
    let asked = grid(Some(vec![GridAction::Delete, GridAction::Mask]));
    assert_eq!(asked.err().unwrap().pointer, "/actions/1");
    let usual = grid(None).unwrap().canonical_options();
    assert_eq!(usual, grid(Some(vec![GridAction::Delete])).unwrap().canonical_options());
}

#[test]
fn equal_questions_have_equal_forms_and_others_have_others() {
    let model = model();
    let form = |edits: Vec<Edit>, output: Output| plan(&model, edits, output).unwrap().canonical_options();
    let heads = |head: usize, factor: f64| Edit::ScaleHeads { heads: vec![Head { layer: 0, head }], factor };
    let delete = || Edit::Delete { words: vec![1] };
    let all = [
        form(vec![heads(0, 0.0)], Output::Logit),
        form(vec![heads(0, 0.0)], Output::Probability),
        form(vec![heads(1, 0.0)], Output::Logit),
        form(vec![heads(0, 0.5)], Output::Logit),
        form(vec![delete(), heads(0, 0.0)], Output::Logit),
        form(vec![heads(0, 0.0), delete()], Output::Logit),
        form(vec![patch(0, "a film")], Output::Logit),
        form(vec![patch(1, "a film")], Output::Logit),
        form(vec![patch(0, "a story")], Output::Logit),
    ];
    for (place, one) in all.iter().enumerate() {
        assert!(!all[..place].contains(one), "{one}");
    }
    assert_eq!(all[0], form(vec![heads(0, 0.0)], Output::Logit));
}

#[test]
fn texts_to_patch_from_are_read_once_however_many_edits_take_states_of_them() {
    let model = model();
    let forwards = |edits: Vec<Edit>| plan(&model, edits, Output::Logit).unwrap().cost(9).most.forwards;
    assert_eq!(forwards(vec![patch(0, "a film")]), 2);
    assert_eq!(forwards(vec![patch(0, "a film"), patch(2, "a film")]), 3 + 1);
    assert_eq!(forwards(vec![patch(0, "a film"), patch(2, "a story")]), 3 + 2);
}

#[test]
fn a_text_to_patch_from_that_the_model_cannot_read_is_refused_by_its_place() {
    let model = model();
    let failure = plan(&model, vec![Edit::Delete { words: vec![0] }, patch(0, "\t")], Output::Logit).err();
    let Some(Failure::At { pointer, failure }) = failure else { panic!("{failure:?}") };
    assert_eq!(pointer, "/edits/1/from");
    assert!(matches!(*failure, Failure::Text(_)), "{failure:?}");
}

#[test]
fn one_word_is_rewritten_by_one_edit_and_may_be_masked_and_hidden_by_several() {
    let mask = || Edit::Mask { words: vec![1, 2] };
    let hide = || Edit::Hide { words: vec![2] };
    assert!(check_together(&[mask(), hide(), mask()]).is_ok());
    let fault = check_together(&[mask(), hide(), Edit::Delete { words: vec![0, 2] }]).unwrap_err();
    assert_eq!(fault.pointer, "/edits/2/words/1");
    assert_eq!(fault.detail, "edit 0 (`mask`) and edit 2 (`delete`) are both about word 2");
}

#[test]
fn edits_are_told_as_they_were_sent() {
    let pair = OwnedText { text: "a".into(), text_pair: Some("b".into()) };
    let edits = [
        (
            Edit::Replace { word: 3, with: "dull".into() },
            json!({"action": "replace", "word": 3, "with": "dull"}),
        ),
        (Edit::Hide { words: vec![4, 2] }, json!({"action": "hide", "words": [4, 2]})),
        (
            Edit::ScaleNeurons { layer: 1, neurons: vec![7], factor: -0.5 },
            json!({"action": "scale_neurons", "layer": 1, "neurons": [7], "factor": -0.5}),
        ),
        (
            Edit::Patch { layer: 2, from: pair, words: Some(vec![0]) },
            json!({"action": "patch", "layer": 2, "from": {"text": "a", "text_pair": "b"}, "words": [0]}),
        ),
    ];
    for (edit, told) in edits {
        assert_eq!(edit.told(), told);
    }
}
