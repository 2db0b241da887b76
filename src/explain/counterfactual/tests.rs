use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;

use super::*;
use crate::explain::Crew;
use crate::explain::crew::{self, Alone, Task};
use crate::explain::rewriting::rewritten;
use crate::model::{Batch, Decision, Keep, Model};

fn load(directory: &str) -> Arc<Model> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    Arc::new(Model::load(directory, &path).unwrap())
}

/// Trained, with a masked-LM head.
static REVIEWS: LazyLock<Arc<Model>> = LazyLock::new(|| load("models/movie-reviews"));
/// Tiny, with a masked-LM head.
static TINY: LazyLock<Arc<Model>> = LazyLock::new(|| load("tests/fixtures/models/three-labels"));

const GOOD: &str = "A gripping, well-acted film that never loses its warmth.";
const BAD: &str = "the story is dull , and the jokes are painfully unfunny .";

/// Runs tasks at the same time, and batches one by one.
struct Threads;

impl Crew for Threads {
    fn members(&self) -> usize {
        4
    }

    fn run(&self, tasks: Vec<Task>) -> Result<(), ExplainError> {
        let threads: Vec<_> = tasks.into_iter().map(|task| thread::spawn(task.work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| ExplainError::Panicked)?)
    }

    fn logits(&self, model: &Arc<Model>, batches: Vec<Batch>) -> Result<Vec<Vec<f32>>, ExplainError> {
        let each: Result<Vec<_>, _> =
            batches.into_iter().map(|batch| crew::logits_of(model, &[batch])).collect();
        Ok(each?.concat())
    }
}

/// Is called off after so many calls.
struct Leaving(AtomicUsize);

impl Leaving {
    fn is_there(&self) -> Result<(), ExplainError> {
        let before = self.0.load(Ordering::SeqCst);
        self.0.store(before.saturating_sub(1), Ordering::SeqCst);
        if before == 0 { Err(ExplainError::Cancelled) } else { Ok(()) }
    }
}

impl Crew for Leaving {
    fn members(&self) -> usize {
        1
    }

    fn run(&self, tasks: Vec<Task>) -> Result<(), ExplainError> {
        self.is_there()?;
        Alone.run(tasks)
    }

    fn logits(&self, model: &Arc<Model>, batches: Vec<Batch>) -> Result<Vec<Vec<f32>>, ExplainError> {
        self.is_there()?;
        Alone.logits(model, batches)
    }
}

fn single(first: &str) -> Text<'_> {
    Text { first, second: None }
}

fn subject(model: &Arc<Model>, text: Text<'_>, crew: Arc<dyn Crew>) -> Subject {
    Subject::new(model.clone(), model.encode(text, false).unwrap(), Keep::Outputs, crew).unwrap()
}

/// As a request asks by default.
fn search(subject: &Subject) -> Search {
    Search {
        goal: Goal::other(subject.prediction()).unwrap(),
        strategies: vec![Strategy::Substitute, Strategy::Infill, Strategy::Delete, Strategy::Antonym],
        lexicon: Vec::new(),
        protected: Vec::new(),
        max_changes: 3,
        n: 3,
        beam: 4,
        budget: 1500,
        seed: 0,
        language: LanguageModel::of(subject.model().clone()),
    }
}

fn found(model: &Arc<Model>, text: Text<'_>, change: impl FnOnce(&mut Search)) -> Found {
    let subject = subject(model, text, Arc::new(Alone));
    let mut search = search(&subject);
    change(&mut search);
    let (mut last, budget) = (None, search.budget);
    let found = search.run(text, &subject, &mut |found| last = Some(found.clone())).unwrap();
    assert_eq!(last.as_ref(), Some(&found), "what is told last is what is returned");
    assert!(found.forwards <= budget, "{} passes of {budget}", found.forwards);
    check(model, text, &search.goal, &found);
    found
}

/// What is said of each text is true of it.
fn check(model: &Arc<Model>, text: Text<'_>, goal: &Goal, found: &Found) {
    for told in found.counterfactuals.iter().chain(&found.closest_miss) {
        let rewrites: Vec<Rewrite> = told.changes.iter().map(|change| change.rewrite.clone()).collect();
        assert_eq!(rewritten(text.first, 0, &rewrites), told.first);
        assert_eq!(text.second.map(|second| rewritten(second, 1, &rewrites)), told.second);
        for change in &told.changes {
            let part = [Some(text.first), text.second][change.rewrite.segment].unwrap();
            let span = change.rewrite.span.clone();
            assert_eq!(part.chars().take(span.end).skip(span.start).collect::<String>(), change.from);
        }
        let read = Text { first: &told.first, second: told.second.as_deref() };
        let anew = subject(model, read, Arc::new(Alone));
        assert_eq!(anew.prediction(), &told.prediction);
        assert_eq!(told.flipped, goal.margin(&anew.prediction().logits) > 0.0, "{}", told.first);
        assert!(told.edit_distance.is_finite() && (-1.0..=1.0).contains(&told.closeness));
        assert!(told.fluency.is_none_or(|fluency| fluency.is_finite() && fluency >= 1.0));
    }
    assert!(found.counterfactuals.iter().all(|told| told.flipped));
    assert!(found.closest_miss.as_ref().is_none_or(|told| !told.flipped));
    assert!(found.counterfactuals.is_empty() || found.closest_miss.is_none());
}

fn texts(found: &Found) -> Vec<&str> {
    found.counterfactuals.iter().map(|told| told.first.as_str()).collect()
}

#[test]
fn reviews_are_turned_round_by_few_words_and_told_with_all_figures() {
    for text in [GOOD, BAD] {
        let original = subject(&REVIEWS, single(text), Arc::new(Alone));
        let found = found(&REVIEWS, single(text), |_| ());
        assert!(!found.counterfactuals.is_empty(), "{text}");
        assert!(!found.spent && found.fluency_before.is_some());
        for told in &found.counterfactuals {
            assert_ne!(told.prediction.decision, original.prediction().decision);
            assert!(told.minimal && told.changes.len() <= 3 && told.fluency.is_some());
        }
        let mut different = texts(&found);
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), found.counterfactuals.len());
    }
}

#[test]
fn no_change_of_a_minimal_counterfactual_can_be_undone() {
    let text = single(BAD);
    let original = subject(&REVIEWS, text, Arc::new(Alone));
    let found = found(&REVIEWS, text, |search| search.strategies = vec![Strategy::Delete, Strategy::Hotflip]);
    for told in found.counterfactuals.iter().filter(|told| told.minimal && told.changes.len() > 1) {
        for undone in 0..told.changes.len() {
            let mut changes = told.changes.clone();
            changes.remove(undone);
            let rewrites: Vec<Rewrite> = changes.into_iter().map(|change| change.rewrite).collect();
            let less = rewritten(text.first, 0, &rewrites);
            let less = subject(&REVIEWS, single(&less), Arc::new(Alone));
            assert_eq!(less.prediction().decision, original.prediction().decision);
        }
    }
}

#[test]
fn protected_words_stay() {
    let words = ["gripping", "WELL-acted", "never loses"];
    let found = found(&REVIEWS, single(GOOD), |search| {
        search.protected = words.iter().map(|word| (*word).to_owned()).collect();
    });
    let told = found.counterfactuals.iter().chain(&found.closest_miss);
    for told in told {
        assert!(words.iter().all(|word| told.first.to_lowercase().contains(&word.to_lowercase())));
    }
}

#[test]
fn a_budget_is_kept_to_and_says_when_it_ended_the_search() {
    for budget in [0, 1, 10, 60, 200] {
        let found = found(&REVIEWS, single(GOOD), |search| search.budget = budget);
        assert!(found.spent || budget == 200, "{budget}");
    }
}

#[test]
fn equal_searches_find_the_same_whoever_does_the_work() {
    for strategies in [
        vec![Strategy::Substitute, Strategy::Infill, Strategy::Delete, Strategy::Antonym],
        vec![Strategy::Random, Strategy::Hotflip],
    ] {
        let by = |crew: Arc<dyn Crew>| {
            let subject = subject(&REVIEWS, single(BAD), crew);
            let search = Search { strategies: strategies.clone(), seed: 7, ..search(&subject) };
            search.run(single(BAD), &subject, &mut |_| ()).unwrap()
        };
        assert_eq!(by(Arc::new(Alone)), by(Arc::new(Threads)));
    }
}

#[test]
fn random_words_depend_on_the_seed() {
    let with = |seed: u64| {
        let found = found(&REVIEWS, single(BAD), |search| {
            search.strategies = vec![Strategy::Random];
            search.seed = seed;
        });
        found.counterfactuals.into_iter().chain(found.closest_miss).map(|told| told.first).collect::<Vec<_>>()
    };
    assert_eq!(with(1), with(1));
    assert_ne!(with(1), with(2));
}

#[test]
fn pairs_of_the_request_are_found_wherever_they_stand() {
    let found = found(&REVIEWS, single("A GRIPPING Film ."), |search| {
        search.strategies = vec![Strategy::Lexicon];
        search.lexicon = vec![
            LexiconPair { from: "gripping film".to_owned(), to: "tedious mess".to_owned() },
            LexiconPair { from: "drama".to_owned(), to: "farce".to_owned() },
        ];
    });
    assert_eq!(texts(&found), ["A TEDIOUS MESS ."]);
    let change = &found.counterfactuals[0].changes[0];
    assert_eq!((change.from.as_str(), change.strategy), ("GRIPPING Film", Strategy::Lexicon));
}

#[test]
fn opposites_turn_a_review_round() {
    let found =
        found(&REVIEWS, single("a good film ."), |search| search.strategies = vec![Strategy::Antonym]);
    assert!(texts(&found).contains(&"a bad film ."), "{found:?}");
}

#[test]
fn without_a_masked_lm_neighbours_are_tried_and_nothing_is_said_of_fluency() {
    let found = found(&REVIEWS, single(GOOD), |search| search.language = None);
    assert!(!found.counterfactuals.is_empty());
    assert_eq!(found.fluency_before, None);
    assert!(found.counterfactuals.iter().all(|told| told.fluency.is_none()));
}

#[test]
fn another_model_may_fill_in_and_judge() {
    let found = found(&TINY, single("a good film and a bad plot"), |search| {
        search.language = LanguageModel::of(REVIEWS.clone());
    });
    assert!(found.fluency_before.is_some());
}

#[test]
fn a_text_that_says_what_is_wanted_has_nothing_to_be_searched() {
    let found = found(&REVIEWS, single(GOOD), |search| {
        let subject = subject(&REVIEWS, single(GOOD), Arc::new(Alone));
        let class = subject.prediction().predicted_classes()[0];
        search.goal = Goal::label(subject.prediction(), class).unwrap();
    });
    assert_eq!((found.counterfactuals.len(), &found.closest_miss), (0, &None));
}

#[test]
fn a_label_that_is_wanted_is_the_one_that_is_found() {
    let text = single("a good film and a bad plot");
    let original = subject(&TINY, text, Arc::new(Alone));
    let predicted = original.prediction().predicted_classes()[0];
    for class in (0..3).filter(|class| *class != predicted) {
        let found =
            found(&TINY, text, |search| search.goal = Goal::label(original.prediction(), class).unwrap());
        for told in &found.counterfactuals {
            assert_eq!(told.prediction.decision, Decision::Label(class));
        }
    }
}

#[test]
fn texts_of_any_kind_are_taken() {
    let odd = [
        "film",
        "the",
        "👍",
        "bad bad bad bad",
        "סרט טוב מאוד",
        "好电影",
        "a\u{301} — 7, !?",
        "e\u{301}t well-made",
    ];
    let chinese = load("tests/fixtures/models/chinese");
    let cased = load("tests/fixtures/models/cased");
    for model in [&*TINY, &chinese, &cased] {
        for text in odd.iter().filter(|text| model.encode(single(text), false).is_ok()) {
            found(model, single(text), |search| {
                search.strategies.extend([Strategy::Hotflip, Strategy::Random]);
            });
        }
    }
}

#[test]
fn the_second_text_of_a_pair_is_changed_too() {
    let pairs = load("tests/fixtures/models/pairs");
    let text = Text { first: "the dog is old", second: Some("a cat was good and not bad") };
    found(&pairs, text, |search| search.strategies.extend([Strategy::Hotflip, Strategy::Random]));
    let found = found(&pairs, text, |search| {
        search.protected = ["the", "dog", "is", "old"].map(str::to_owned).to_vec();
    });
    let changes = found.counterfactuals.iter().chain(&found.closest_miss).flat_map(|told| &told.changes);
    assert!(changes.map(|change| change.rewrite.segment).all(|segment| segment == 1));
}

#[test]
fn several_labels_may_change_by_any_one() {
    let labels = load("tests/fixtures/models/multi-label");
    found(&labels, single("a good film and a bad plot"), |_| ());
}

#[test]
fn a_text_that_would_be_too_long_is_not_tried() {
    let text = ["film"; 36].join(" ");
    let found = found(&TINY, single(&text), |search| {
        search.strategies = vec![Strategy::Lexicon];
        search.lexicon = vec![LexiconPair { from: "film".to_owned(), to: "good good good good".to_owned() }];
    });
    assert_eq!((found.counterfactuals.len(), &found.closest_miss), (0, &None));
}

#[test]
fn a_search_that_is_called_off_ends() {
    for calls in [1, 2, 3, 5, 7] {
        let subject = subject(&REVIEWS, single(GOOD), Arc::new(Leaving(AtomicUsize::new(calls))));
        let outcome = search(&subject).run(single(GOOD), &subject, &mut |_| ());
        assert!(matches!(outcome, Err(ExplainError::Cancelled)), "{calls}");
    }
}

#[test]
fn each_level_asks_for_less_than_the_one_before() {
    for pair in levels::LEVELS.windows(2) {
        let [strict, loose] = pair else { unreachable!("windows of two") };
        assert_eq!(strict.number + 1, loose.number);
        assert!(strict.leaning > loose.leaning && strict.contrast >= loose.contrast);
        assert!(strict.changes <= loose.changes && strict.drop < loose.drop);
    }
}
