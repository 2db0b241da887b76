use roxmltree::Document;

use super::answer;
use crate::engine::answer::{TruncationNote, Warning, WarningCode};
use crate::render::sample;

/// The texts of all text elements, one after the other.
fn words(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).expect("a picture is XML");
    let texts = document.descendants().filter(|node| node.has_tag_name((SVG, "text")));
    texts
        .map(|node| {
            node.descendants().filter(|child| child.is_text()).filter_map(|child| child.text()).collect()
        })
        .collect()
}

/// The tooltips of the units.
fn titles(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).expect("a picture is XML");
    let titles = document.descendants().filter(|node| node.has_tag_name((SVG, "title")));
    titles.map(|node| node.text().unwrap_or_default().to_owned()).collect()
}

const SVG: &str = "http://www.w3.org/2000/svg";

#[test]
fn every_picture_is_xml_without_scripts_or_references_and_the_same_each_time() {
    for sample in sample::all() {
        let svg = answer(&sample);
        let document = Document::parse(&svg).unwrap_or_else(|fault| panic!("{fault} in {svg}"));
        for node in document.descendants().filter(|node| node.is_element()) {
            assert!(!["script", "image", "use", "a", "foreignObject"].contains(&node.tag_name().name()));
            assert!(node.attributes().all(|attribute| !attribute.name().starts_with("on")));
        }
        assert_eq!(svg, answer(&sample));
    }
}

#[test]
fn every_unit_has_its_word_and_its_score_with_its_sign() {
    let svg = answer(&sample::review());
    let words = words(&svg);
    for word in ["A", "gripping", "film", ",", "though", "it", "drags", "a", "little", "."] {
        assert!(words.iter().any(|text| text == word), "{word}");
    }
    let titles = titles(&svg);
    assert!(titles.contains(&"gripping +0.914".to_owned()));
    assert!(titles.contains(&"drags −0.526".to_owned()));
}

#[test]
fn what_speaks_against_is_told_by_its_line_and_not_by_colour_alone() {
    let svg = answer(&sample::words("good bad", &[0.9, -0.8]));
    assert!(svg.contains("class=\"underline against\""));
    assert!(svg.contains(".underline.against{stroke-dasharray"));
}

#[test]
fn a_hostile_text_stays_text() {
    let hostile = sample::hostile();
    let svg = answer(&hostile);
    assert!(!svg.contains("<script") && !svg.contains("<b ") && !svg.contains("<i>") && !svg.contains("]]>"));
    assert_eq!(svg.matches("</svg>").count(), 1);
    assert!(words(&svg).iter().any(|text| text.contains('\u{FFFD}')));
}

#[test]
fn every_occurrence_of_a_repeated_word_has_its_own_score() {
    let titles = titles(&answer(&sample::words("so so so", &[0.1, -0.2, 0.3])));
    assert_eq!(titles, ["so +0.100", "so −0.200", "so +0.300"]);
}

#[test]
fn zero_scores_are_said_and_not_coloured() {
    let svg = answer(&sample::words("all is nothing", &[0.0; 3]));
    assert!(svg.contains("All scores are zero."));
    assert!(!svg.contains("<rect class=\"for") && !svg.contains("NaN"));
}

#[test]
fn special_tokens_stand_apart_where_tokens_have_scores() {
    let svg = answer(&sample::tokens("not bad", &[0.1, -0.6, 0.9, -0.05]));
    let words = words(&svg);
    assert!(words.contains(&"[CLS] +0.100".to_owned()) && words.contains(&"[SEP] −0.050".to_owned()));
    assert!(titles(&svg).contains(&"not −0.600".to_owned()));
}

#[test]
fn both_texts_of_a_pair_are_drawn() {
    let svg = answer(&sample::pair("Is it?", Some("It is."), &[0.1, 0.2, 0.3, -0.4, 0.5, 0.6]));
    let titles = titles(&svg);
    assert_eq!(titles.first().map(String::as_str), Some("Is +0.100"));
    assert!(titles.contains(&"It −0.400".to_owned()));
}

#[test]
fn right_to_left_words_run_from_the_right() {
    let svg = answer(&sample::words("الفيلم رائع", &[0.1, 0.9]));
    let document = Document::parse(&svg).unwrap();
    let x = |word: &str| -> f32 {
        let mut texts = document.descendants().filter(|node| node.attribute("direction") == Some("rtl"));
        let node = texts.find(|node| node.text() == Some(word)).expect("the word is drawn");
        node.attribute("x").unwrap().parse().unwrap()
    };
    assert!(x("الفيلم") > x("رائع"));
}

#[test]
fn emoji_and_combining_marks_stay_whole() {
    let svg = answer(&sample::words("👩‍👩‍👧 🇩🇪 e\u{301}", &[0.1, 0.2, 0.3]));
    for cluster in ["👩‍👩‍👧", "🇩🇪", "e\u{301}"] {
        assert!(words(&svg).contains(&cluster.to_owned()), "{cluster}");
    }
}

#[test]
fn nothing_leaves_the_picture_however_long_a_word_is() {
    let svg = answer(&sample::words(&"x".repeat(5000), &[1.0]));
    let document = Document::parse(&svg).unwrap();
    for rect in document.descendants().filter(|node| node.has_tag_name((SVG, "rect"))) {
        let number = |name| rect.attribute(name).map_or(0.0, |value| value.parse::<f32>().unwrap());
        assert!(number("x") + number("width") <= 760.0);
    }
}

#[test]
fn warnings_are_in_the_picture() {
    let mut sample = sample::review();
    sample
        .warnings
        .push(Warning { code: WarningCode::NotConverged, message: "The scores do not add up.".to_owned() });
    assert!(answer(&sample).contains("The scores do not add up."));
}

#[test]
fn a_prediction_alone_is_its_text_and_its_label() {
    let mut sample = sample::review();
    sample.explanations = None;
    let words = words(&answer(&sample));
    assert_eq!(words[0], "positive 93.8\u{a0}%");
    assert!(words.contains(&"gripping".to_owned()));
}

#[test]
fn six_layers_of_twelve_heads_stay_small() {
    let svg = answer(&sample::attention(6, 12, 40));
    assert!(svg.len() < 2_500_000, "{} bytes", svg.len());
    assert_eq!(svg.matches("<g class=\"heat\"").count(), 72);
    assert!(svg.contains("entropy 0.41") && svg.contains("special 0.83"));
}

#[test]
fn maps_name_their_tokens_where_there_is_room_and_say_where_cells_are_means() {
    let few = words(&answer(&sample::attention(1, 2, 12)));
    assert!(few.contains(&"[CLS]".to_owned()) && few.contains(&"head 1".to_owned()));
    let many = answer(&sample::attention(2, 3, 70));
    assert!(!many.contains("[CLS]"));
    assert!(many.contains("mean of 2 × 2"));
}

#[test]
fn of_what_was_cut_off_the_beginning_is_drawn() {
    let mut sample = sample::words("seen", &[0.5]);
    sample.text.push_str(&" unseen".repeat(100_000));
    sample.truncated = Some(TruncationNote {
        tokens: 100_003,
        limit: 3,
        kept_to_character: 4,
        kept_to_character_pair: None,
    });
    let svg = answer(&sample);
    assert!(svg.contains("class=\"unseen\"") && svg.len() < 20_000);
}
