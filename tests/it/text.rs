//! Tokens, words and offsets: as transformers has them, and as the contract promises for any text.

use std::sync::{Arc, LazyLock};

use crate::support::golden::{BUNDLED, fixtures, load};
use explaind::explain::granularity::Granularity;
use explaind::model::{EncodeError, EncodedText, Model, Text};
use proptest::prelude::*;
use serde_json::Value;

static TINY: LazyLock<Arc<Model>> = LazyLock::new(|| load("three-labels"));
static CHINESE: LazyLock<Arc<Model>> = LazyLock::new(|| load("chinese"));
static PAIRS: LazyLock<Arc<Model>> = LazyLock::new(|| load("pairs"));
static BUNDLED_MODEL: LazyLock<Arc<Model>> = LazyLock::new(|| load(BUNDLED));

fn encode(model: &Model, text: &str) -> EncodedText {
    model.encode(Text { first: text, second: None }, true).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

#[test]
fn tokens_and_offsets_are_those_of_transformers() {
    let golden: Value =
        serde_json::from_slice(&std::fs::read(fixtures().join("golden/tokenizer.json")).unwrap()).unwrap();
    let cased = load("cased");
    let numbers = |value: &Value| -> Vec<u64> {
        value.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect()
    };
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() > 90);
    for case in cases {
        let model = match case["model"].as_str().unwrap() {
            "cased" => &cased,
            "chinese" => &CHINESE,
            _ => &BUNDLED_MODEL,
        };
        let text = Text { first: case["text"].as_str().unwrap(), second: case["text_pair"].as_str() };
        let encoding = model.tokenizer().encode(text.first, text.second).unwrap();
        let wide = |ids: &[u32]| -> Vec<u64> { ids.iter().map(|id| u64::from(*id)).collect() };
        assert_eq!(wide(encoding.get_ids()), numbers(&case["ids"]), "{text:?}");
        assert_eq!(wide(encoding.get_type_ids()), numbers(&case["type_ids"]), "{text:?}");
        assert_eq!(wide(encoding.get_special_tokens_mask()), numbers(&case["special"]), "{text:?}");
        let offsets: Vec<Vec<u64>> =
            encoding.get_offsets().iter().map(|(a, b)| vec![*a as u64, *b as u64]).collect();
        let expected: Vec<Vec<u64>> = case["offsets"].as_array().unwrap().iter().map(numbers).collect();
        assert_eq!(offsets, expected, "{text:?}");
    }
}

#[test]
fn subwords_and_apostrophes_belong_to_their_words() {
    let text = encode(&BUNDLED_MODEL, "I don't like overacting.");
    let words: Vec<&str> = text.words.iter().map(|word| word.span.text.as_str()).collect();
    assert_eq!(words, ["I", "don't", "like", "overacting", "."]);
    let dont: Vec<&str> =
        text.words[1].tokens.iter().map(|token| text.tokens[*token].text.as_str()).collect();
    assert_eq!(dont, ["don", "'", "t"]);
    assert!(text.words[3].tokens.len() > 1, "overacting is rare enough to be in pieces");
    assert!(text.words.iter().all(|word| !word.span.text.contains("##")));
}

#[test]
fn emoji_flags_and_right_to_left_text_have_code_point_offsets() {
    let text = encode(&BUNDLED_MODEL, "😀 great 🇩🇪 סרט טוב");
    let spans: Vec<_> = text.words.iter().map(|w| (w.span.text.as_str(), w.span.start, w.span.end)).collect();
    assert_eq!(spans, [("😀", 0, 1), ("great", 2, 7), ("🇩🇪", 8, 10), ("סרט", 11, 14), ("טוב", 15, 18)]);
}

#[test]
fn chinese_falls_into_characters_and_sentences() {
    let text = encode(&CHINESE, "电影很好。我不喜欢！");
    assert_eq!(text.words.len(), 10);
    assert_eq!(text.sentences.len(), 2);
    assert_eq!(text.sentences[1].words, [5, 6, 7, 8, 9]);
}

#[test]
fn the_two_texts_of_a_pair_keep_their_own_offsets_and_segments() {
    let text = PAIRS.encode(Text { first: "the film is good", second: Some("it is good") }, false).unwrap();
    let second: Vec<_> = text.words.iter().filter(|word| word.segment == 1).collect();
    assert_eq!(second.iter().map(|word| word.span.start).collect::<Vec<_>>(), [0, 3, 6]);
    assert!(second.iter().flat_map(|word| &word.tokens).all(|token| text.tokens[*token].segment == 1));
}

#[test]
fn a_text_beyond_the_limit_is_refused_with_both_numbers_or_cut_where_it_says() {
    let limit = TINY.tokenizer().limit();
    let long = "good ".repeat(limit);
    let whole = Text { first: &long, second: None };
    assert_eq!(TINY.encode(whole, false), Err(EncodeError::TooLong { tokens: limit + 2, limit }));
    let cut = TINY.encode(whole, true).unwrap();
    let truncation = cut.truncated.expect("it was cut");
    assert_eq!((truncation.tokens, truncation.limit, cut.tokens.len()), (limit + 2, limit, limit));
    assert_eq!(cut.words.last().unwrap().span.end, truncation.kept_to_character);
    assert_eq!(cut.words.len(), limit - 2, "words that the model did not see are not listed");
}

#[test]
fn a_word_that_the_limit_cuts_through_ends_where_the_model_stopped_reading() {
    let limit = BUNDLED_MODEL.tokenizer().limit();
    let text = format!("{}overacting again", "good ".repeat(limit - 3));
    let cut = encode(&BUNDLED_MODEL, &text);
    let last = cut.words.last().unwrap();
    assert_eq!((last.span.text.as_str(), last.tokens.len()), ("over", 1));
    assert_eq!(last.span.end, cut.truncated.unwrap().kept_to_character);
    assert_eq!(cut.sentences.last().unwrap().span.end, last.span.end);
}

#[test]
fn blank_and_invisible_texts_and_unknown_pairs_are_refused() {
    let refused = |first, second| TINY.encode(Text { first, second }, false).unwrap_err();
    assert_eq!(refused(" \n\t\u{3000}", None), EncodeError::Blank { segment: 0 });
    assert_eq!(refused("good", Some("  ")), EncodeError::Blank { segment: 1 });
    assert_eq!(refused("\u{200B}\u{FEFF}", None), EncodeError::NoTokens { segment: 0 });
    let single = load("one-type-id");
    let pair = single.encode(Text { first: "good", second: Some("bad") }, false);
    assert_eq!(pair, Err(EncodeError::PairNotSupported(1)));
}

/// Text as people and programs really send it: scripts, emoji, marks, controls, markup.
fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<String>(),
        "[a-zA-Z]{1,12}",
        "[ \t\r\n.,;:!?'\"()-]{1,3}",
        prop::sample::select(vec![
            "don't",
            "https://example.com/a?b=c#d",
            "👩‍👩‍👧‍👦",
            "🇩🇪",
            "👍🏽",
            "e\u{301}",
            "电影",
            "カタカナ",
            "فيلم",
            "סרט",
            "ไทย",
            "[MASK]",
            "[SEP]",
            "##ing",
            "\u{200B}",
            "\u{FEFF}",
            "ﬁne",
            "ＦＵＬＬ",
            "İ",
            "ß",
            "<br />",
            "\u{A0}",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_token_has_the_word_that_holds_its_first_character(text in any_text()) {
        for model in [&*TINY, &*CHINESE, &*BUNDLED_MODEL] {
            let Ok(encoded) = model.encode(Text { first: &text, second: None }, true) else { continue };
            let characters: Vec<char> = text.chars().collect();
            for (index, token) in encoded.tokens.iter().enumerate() {
                match token.word {
                    None => prop_assert!(token.special),
                    Some(word) => {
                        let word = &encoded.words[word];
                        prop_assert!(!token.special && word.tokens.contains(&index));
                        prop_assert!(word.span.start <= token.start && token.start < word.span.end);
                        prop_assert!(token.end <= characters.len());
                    }
                }
            }
            for word in &encoded.words {
                prop_assert_eq!(&word.span.text, &characters[word.span.start..word.span.end].iter().collect::<String>());
            }
            let listed: usize = encoded.sentences.iter().map(|sentence| sentence.words.len()).sum();
            prop_assert_eq!(listed, encoded.words.len(), "every word is in exactly one sentence");
        }
    }

    #[test]
    fn sums_are_the_same_over_tokens_words_and_sentences(text in any_text(), seed: u64) {
        let Ok(encoded) = TINY.encode(Text { first: &text, second: None }, true) else { return Ok(()) };
        let scores: Vec<f64> =
            (0..encoded.tokens.len() as u64).map(|i| (seed.wrapping_mul(i + 1) % 1000) as f64 / 500.0 - 1.0).collect();
        let sum = |granularity: Granularity| {
            let (scores, special) = granularity.gather(&encoded, &scores);
            scores.iter().chain(special.iter().flatten()).sum::<f64>()
        };
        let whole: f64 = scores.iter().sum();
        for granularity in [Granularity::Token, Granularity::Word, Granularity::Sentence] {
            prop_assert!((sum(granularity) - whole).abs() < 1e-9);
        }
    }
}
