use super::*;

/// An answer in which a fresh learner finds the concept as it is, and this of it afterwards.
fn left(low: f64, p_value: f64) -> ErasureView {
    let mut view: ErasureView =
        serde_json::from_str(include_str!("../../../openapi/examples/erasure.json")).unwrap();
    let found = |low: f64, p_value: f64| ErasureProbe {
        accuracy: 0.8,
        interval: Ends { low, high: 0.9 },
        folds: vec![0.8; 5],
        null: NullView { mean: 0.5, high: 0.6, p_value, permutations: 19 },
    };
    view.untouched.probe = Some(found(0.7, 0.05));
    for erasure in &mut view.erasures {
        erasure.probe = Some(found(low, p_value));
    }
    view
}

#[test]
fn a_concept_is_said_to_remain_where_it_is_found_by_more_than_chance() {
    for (low, p_value, remains) in [(0.51, 0.05, true), (0.5, 0.05, false), (0.7, 0.1, false)] {
        let view = left(low, p_value);
        let expected = if remains { vec![WarningCode::ConceptRemains; view.erasures.len()] } else { vec![] };
        let codes: Vec<WarningCode> = warnings(&view).into_iter().map(|warning| warning.code).collect();
        assert_eq!(codes, expected, "{low} {p_value}");
    }
}

#[test]
fn a_concept_that_is_not_there_to_begin_with_is_said_to_be_absent() {
    let mut view = left(0.4, 0.5);
    view.untouched.probe = view.erasures[0].probe.clone();
    assert_eq!(warnings(&view)[0].code, WarningCode::ConceptAbsent);
}
