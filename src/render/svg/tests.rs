use roxmltree::{Document, Node};

use super::answer;
use super::measure::width;
use super::style::{BODY, DENSE, HEADLINE, LABEL, NOTE, SMALL, TITLE, WARNING};
use crate::engine::answer::{TruncationNote, Warning, WarningCode};
use crate::render::sample;

/// The texts of all text elements, one after the other.
pub fn words(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).expect("a picture is XML");
    let texts = document.descendants().filter(|node| node.has_tag_name((SVG, "text")));
    texts
        .map(|node| {
            node.descendants().filter(|child| child.is_text()).filter_map(|child| child.text()).collect()
        })
        .collect()
}

/// The tooltips of the units.
pub fn titles(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).expect("a picture is XML");
    let titles = document.descendants().filter(|node| node.has_tag_name((SVG, "title")));
    titles.map(|node| node.text().unwrap_or_default().to_owned()).collect()
}

pub const SVG: &str = "http://www.w3.org/2000/svg";

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
fn the_largest_weights_of_some_tokens_are_drawn_where_they_stand() {
    let mut sample = sample::attention(1, 2, 12);
    let whole = answer(&sample);
    let view = sample.attention.as_mut().unwrap();
    view.tokens = (0..12).collect();
    let told = |row: Vec<f32>| row.into_iter().enumerate().rev().collect::<Vec<_>>();
    let maps = view.weights.take().unwrap();
    let rows = |map: Vec<Vec<f32>>| map.into_iter().map(told).collect();
    view.top = Some(maps.into_iter().map(|layer| layer.into_iter().map(rows).collect()).collect());
    let largest = answer(&sample);
    let strokes =
        |svg: &str| svg.lines().filter(|line| line.contains("<path class=\"h")).map(str::to_owned).collect();
    let (of_all, of_told): (Vec<String>, Vec<String>) = (strokes(&whole), strokes(&largest));
    assert!(!of_all.is_empty() && of_all.len() == of_told.len());
    assert!(
        words(&largest).join(" ").contains("largest weights of each row")
            && !whole.contains("largest weights")
    );

    let view = sample.attention.as_mut().unwrap();
    view.tokens = vec![1, 2];
    view.top = Some(vec![vec![vec![vec![(2, 0.75)], vec![(1, 0.5)]]; 2]]);
    let some = words(&answer(&sample));
    assert!(some.contains(&"word".to_owned()) && !some.contains(&"[CLS]".to_owned()));
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

/// A text element's left and right end, and its baseline.
pub struct Extent {
    pub left: f32,
    pub right: f32,
    pub baseline: f32,
}

/// Where a text element stands; none for one that is turned.
pub fn extent(node: Node<'_, '_>) -> Option<Extent> {
    let inherited = |name: &str| node.ancestors().find_map(|ancestor| ancestor.attribute(name));
    let number = |name: &str| node.attribute(name).and_then(|value| value.parse::<f32>().ok());
    let styles = [BODY, DENSE, HEADLINE, LABEL, NOTE, SMALL, TITLE, WARNING];
    let style = node.ancestors().find_map(|ancestor| {
        let class = ancestor.attribute("class")?;
        styles.iter().find(|style| style.class == class)
    });
    let (x, baseline) = (number("x")?, number("y")?);
    let text: String =
        node.descendants().filter(|child| child.is_text()).filter_map(|child| child.text()).collect();
    let size = style.expect("every text has a style").size;
    let across = number("textLength").unwrap_or_else(|| width(&text, size));
    let left = match inherited("text-anchor") {
        Some("middle") => x - across / 2.0,
        Some("end") => x - across,
        _ => x,
    };
    Some(Extent { left, right: left + across, baseline })
}

/// Where the first text element that says this stands.
fn place(svg: &str, said: &str) -> Extent {
    let document = Document::parse(svg).unwrap();
    let mut texts = document.descendants().filter(|node| node.has_tag_name((SVG, "text")));
    let node = texts.find(|node| node.text() == Some(said)).unwrap_or_else(|| panic!("no {said:?} in {svg}"));
    extent(node).unwrap()
}

#[test]
fn no_text_leaves_the_picture() {
    for sample in sample::all() {
        let svg = answer(&sample);
        let document = Document::parse(&svg).unwrap();
        let side = |name| document.root_element().attribute(name).unwrap().parse::<f32>().unwrap();
        let (width, height) = (side("width"), side("height"));
        let texts = document.descendants().filter(|node| node.has_tag_name((SVG, "text")));
        for (node, extent) in texts.filter_map(|node| Some((node, extent(node)?))) {
            let inside = extent.left >= 0.0 && extent.right <= width;
            assert!(
                inside && (0.0..height).contains(&extent.baseline),
                "{:?} in {width} × {height}",
                node.text()
            );
        }
    }
}

#[test]
fn a_sentence_is_coloured_whole_and_its_score_stands_beside_it() {
    let svg =
        answer(&sample::sentences(&[("It grips from the first scene.", 0.8), ("It drags a little.", -0.3)]));
    for (score, word) in [("+0.800", "grips"), ("−0.300", "drags")] {
        let (score, word) = (place(&svg, score), place(&svg, word));
        assert!(score.right < word.left && (score.baseline - word.baseline).abs() < 0.1);
    }
    let titles = titles(&svg);
    assert_eq!(titles, ["It grips from the first scene. +0.800", "It drags a little. −0.300"]);
}

#[test]
fn a_long_sentence_has_its_score_at_its_first_line_alone() {
    let svg = answer(&sample::sentence(&"it drags and ".repeat(30), -0.8));
    assert!(titles(&svg).len() > 2, "several lines");
    assert_eq!(words(&svg).iter().filter(|text| *text == "−0.800").count(), 1);
}

#[test]
fn texts_of_a_pair_stand_side_by_side_unless_one_is_much_longer() {
    let alike = answer(&sample::pair(&"one two ".repeat(20), Some(&"three four ".repeat(20)), &[0.1; 80]));
    let (first, second) = (place(&alike, "text"), place(&alike, "text_pair"));
    assert!(second.left > first.right && first.baseline == second.baseline);
    assert!(place(&alike, "one").right < second.left && place(&alike, "three").left >= second.left);

    let unlike = answer(&sample::pair("one two", Some(&"three four ".repeat(60)), &[0.1; 130]));
    let (first, second) = (place(&unlike, "text"), place(&unlike, "text_pair"));
    assert!(second.left == first.left && first.baseline < second.baseline);
}

#[test]
fn a_long_text_is_drawn_whole_and_says_how_many_words_have_no_bar() {
    let scores: Vec<f32> = (0..300u16).map(|place| 1.0 - f32::from(place) / 200.0).collect();
    let long: Vec<String> = (0..300).map(|place| format!("word{place}")).collect();
    let svg = answer(&sample::words(&long.join(" "), &scores));
    let words = words(&svg);
    assert!(long.iter().all(|word| words.contains(word)));
    assert_eq!(svg.matches("<rect class=\"bar").count(), 12);
    assert!(words.contains(&"The 12 strongest of 300 words; 288 more have no bar here.".to_owned()));
    assert!(svg.contains("<g class=\"dense\"") && !svg.contains("<g class=\"body\""));
}

#[test]
fn standard_errors_are_whiskers_on_the_bars_and_numbers_beside_them() {
    let svg = answer(&sample::sampled("a fine film", &[0.1, 0.9, -0.4], &[0.2, 0.05, 0.1]));
    let words = words(&svg);
    assert_eq!(svg.matches("<path class=\"whisker\"").count(), 3);
    assert!(
        words.contains(&"±\u{a0}0.050".to_owned())
            && words.iter().any(|text| text.contains("standard error"))
    );
    let without = answer(&sample::words("a fine film", &[0.1, 0.9, -0.4]));
    assert!(!without.contains("<path class=\"whisker\"") && !without.contains('±'));
}

#[test]
fn the_range_over_other_baselines_is_a_frame_behind_each_bar_and_figures_stand_below() {
    let svg = answer(&sample::judged());
    let bands: Vec<usize> = svg.match_indices("<rect class=\"band\"").map(|(place, _)| place).collect();
    assert_eq!(bands.len(), 10, "one for each word, and none for the method without baselines");
    assert!(svg[bands[0]..].lines().nth(1).unwrap().starts_with("<rect class=\"bar"), "bars are in front");
    let text = words(&svg).join(" ");
    for said in ["other baselines: mask, zero", "Quality (full): comprehensiveness +0.414", "Quality (fast)"]
    {
        assert!(text.contains(said), "{said}");
    }
    assert!(text.contains("Agreement") && text.contains("rank correlation +0.782"));
    let without = answer(&sample::review());
    assert!(!without.contains("<rect class=\"band\"") && !words(&without).join(" ").contains("Quality"));
}
