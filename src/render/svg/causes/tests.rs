use roxmltree::{Document, Node};

use super::sample::{self, HOSTILE, TEXTS};
use super::{WIDTH, counterfactuals, grid, mediation, what_if};
use crate::engine::answer::{Warning, WarningCode};
use crate::render::svg::tests::{SVG, extent, titles, words};

/// Every kind of picture, of every kind of text.
fn pictures() -> Vec<String> {
    let long = "tremendously ".repeat(260);
    let word = "x".repeat(3000);
    let extremes = [("", None), (long.as_str(), Some("It is.")), (word.as_str(), None)];
    let mut pictures = Vec::new();
    for (text, pair) in TEXTS.into_iter().chain(extremes) {
        pictures.push(counterfactuals::draw(&sample::counterfactuals(text, pair)));
        pictures.push(counterfactuals::draw(&sample::missed(text, pair)));
        pictures.push(what_if::draw(&sample::what_if(text, pair, 4)));
        pictures.push(grid::draw(&sample::grid(text, pair)));
        pictures.push(mediation::draw(&sample::mediation([(text, pair); 2], 6, 12, 24)));
    }
    for edits in [0, 1, 16] {
        pictures.push(what_if::draw(&sample::what_if("A film.", None, edits)));
    }
    for (layers, heads, groups) in [(1, 1, 1), (24, 16, 3072), (2, 80, 100), (0, 0, 0)] {
        pictures.push(mediation::draw(&sample::mediation([("A film.", None); 2], layers, heads, groups)));
    }
    pictures
}

fn number(node: Node<'_, '_>, name: &str) -> f32 {
    node.attribute(name).map_or(0.0, |value| value.parse().unwrap())
}

#[test]
fn every_picture_is_xml_of_numbers_without_scripts_or_references() {
    for svg in pictures() {
        let document = Document::parse(&svg).unwrap_or_else(|fault| panic!("{fault} in {svg}"));
        for node in document.descendants().filter(|node| node.is_element()) {
            assert!(!["script", "image", "use", "a", "foreignObject"].contains(&node.tag_name().name()));
            assert!(node.attributes().all(|attribute| !attribute.name().starts_with("on")));
            let mut drawn = node.attributes().filter(|attribute| attribute.name() != "aria-label");
            assert!(
                !drawn
                    .any(|attribute| attribute.value().contains("NaN") || attribute.value().contains("inf"))
            );
        }
    }
}

#[test]
fn nothing_leaves_the_picture() {
    for svg in pictures() {
        let document = Document::parse(&svg).unwrap();
        let (width, height) =
            (number(document.root_element(), "width"), number(document.root_element(), "height"));
        assert_eq!(width, WIDTH);
        for rect in document.descendants().filter(|node| node.has_tag_name((SVG, "rect"))) {
            let (right, bottom) =
                (number(rect, "x") + number(rect, "width"), number(rect, "y") + number(rect, "height"));
            let inside = number(rect, "x") >= 0.0 && number(rect, "y") >= 0.0;
            assert!(inside && right <= width + 0.01 && bottom <= height + 0.01, "{rect:?}");
        }
        let texts = document.descendants().filter(|node| node.has_tag_name((SVG, "text")));
        for (node, text) in texts.filter_map(|node| Some((node, extent(node)?))) {
            let inside = text.left >= 0.0 && text.right <= width && (0.0..height).contains(&text.baseline);
            assert!(inside, "{:?} in {width} × {height}", node.text());
        }
    }
}

#[test]
fn the_same_answer_is_the_same_picture() {
    assert_eq!(pictures(), pictures());
}

#[test]
fn a_hostile_text_stays_text() {
    for svg in [
        counterfactuals::draw(&sample::counterfactuals(HOSTILE, Some(HOSTILE))),
        what_if::draw(&sample::what_if(HOSTILE, None, 2)),
        grid::draw(&sample::grid(HOSTILE, None)),
        mediation::draw(&sample::mediation([(HOSTILE, None); 2], 2, 2, 2)),
    ] {
        assert!(
            !svg.contains("<script") && !svg.contains("<b>") && !svg.contains("<i>") && !svg.contains("]]>")
        );
        assert_eq!(svg.matches("</svg>").count(), 1);
    }
}

/// The words that are drawn in a class of their own.
fn of_class(svg: &str, class: &str) -> Vec<String> {
    let document = Document::parse(svg).unwrap();
    let texts = document.descendants().filter(|node| node.has_tag_name((SVG, "text")));
    let own = texts.filter(|node| node.attribute("class") == Some(class));
    own.map(|node| node.text().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_counterfactual_is_what_is_struck_through_and_what_is_underlined_in_the_whole_text() {
    let svg = counterfactuals::draw(&sample::counterfactuals(TEXTS[0].0, None));
    let said = words(&svg);
    assert_eq!(said[..2], ["positive 93.8\u{a0}%", "Wanted: negative"]);
    assert!(said.contains(&"Counterfactual 2: negative 71.2\u{a0}%".to_owned()));
    let figures =
        "changed words 20.0\u{a0}% · closeness 0.981 · pseudo-perplexity 84.2 → 120.5 (× 1.43) · minimal";
    assert!(said.contains(&figures.to_owned()), "{said:?}");
    for word in ["A", "film,", "though", "it", "drags", "a", "little"] {
        assert_eq!(said.iter().filter(|text| *text == word).count(), 2, "{word}");
    }
    assert_eq!(of_class(&svg, "deleted"), ["gripping", ".", "gripping", "."]);
    assert_eq!(of_class(&svg, "inserted"), ["dull", "<i>&"]);
    assert_eq!(
        (svg.matches("class=\"strike\"").count(), svg.matches("class=\"underline for\"").count()),
        (4, 2)
    );
    assert!(titles(&svg).contains(&"“gripping” → “dull”, substitute".to_owned()));
    assert!(titles(&svg).contains(&"“.” taken out, delete".to_owned()));
}

#[test]
fn where_none_was_found_the_closest_is_drawn_or_the_text_as_it_is() {
    let mut missed = sample::missed(TEXTS[0].0, None);
    let said = words(&counterfactuals::draw(&missed));
    assert!(said.contains(&"None was found; the closest: positive 52.3\u{a0}%".to_owned()), "{said:?}");
    assert!(said.contains(&"Wanted: any other prediction".to_owned()));
    missed.closest_miss = None;
    let svg = counterfactuals::draw(&missed);
    assert!(
        words(&svg).contains(&"None was found".to_owned()) && words(&svg).contains(&"gripping".to_owned())
    );
    assert!(of_class(&svg, "deleted").is_empty() && !words(&svg).join(" ").contains("Struck through"));
}

#[test]
fn both_texts_of_a_pair_are_paragraphs_of_their_own() {
    let (text, pair) = TEXTS[1];
    for svg in [counterfactuals::draw(&sample::missed(text, pair)), grid::draw(&sample::grid(text, pair))] {
        let said = words(&svg);
        let place = |wanted: &str| said.iter().position(|text| text == wanted).expect("it is there");
        assert!(
            place("text") < place("Is")
                && place("Is") < place("text_pair")
                && place("text_pair") < place("such")
        );
    }
}

#[test]
fn words_that_run_from_the_right_begin_there_whatever_is_changed() {
    let svg = counterfactuals::draw(&sample::missed("الفيلم رائع جدا", None));
    let document = Document::parse(&svg).unwrap();
    let right = |word: &str| {
        let mut texts = document.descendants().filter(|node| node.attribute("direction") == Some("rtl"));
        extent(texts.find(|node| node.text() == Some(word)).expect("the word is drawn")).unwrap().right
    };
    assert!(right("الفيلم") > right("رائع") && right("رائع") > right("جدا"));
    assert_eq!(of_class(&svg, "deleted"), ["جدا", "رائع"], "from left to right");
}

#[test]
fn each_edit_is_told_in_words_with_its_change_and_what_is_said_then() {
    let svg = what_if::draw(&sample::what_if(TEXTS[0].0, None, 4));
    let said = words(&svg);
    for wanted in [
        "1: word 0 “A” → “dull”",
        "2: head 0.3 × 0",
        "4: push acting@2 by −1.5 at layer 4",
        "+0.700",
        "all 4",
        "edits 1 to 4",
        "→ negative 71.2\u{a0}%",
        "All together: +0.321 beyond the sum of −0.200.",
    ] {
        assert!(said.contains(&wanted.to_owned()), "{wanted} in {said:?}");
    }
    assert_eq!(svg.matches("class=\"bar ").count(), 4 + 1 + 4);
    assert_eq!(svg.matches("class=\"member\"").count(), 3, "one alone, all, and the last in order");
    assert_eq!(titles(&svg).iter().filter(|title| title.starts_with("Edits ")).count(), 6);
    assert!(said.join(" ").contains("The text under all edits A dull film"), "{said:?}");
}

#[test]
fn one_edit_has_neither_interactions_nor_bars_that_say_the_same_again() {
    let svg = what_if::draw(&sample::what_if(TEXTS[0].0, None, 1));
    assert_eq!(svg.matches("class=\"bar ").count(), 1);
    assert!(!words(&svg).join(" ").contains("Interactions"));
}

#[test]
fn every_word_of_the_grid_has_its_change_and_flips_are_outlined() {
    let mut view = sample::grid(TEXTS[0].0, None);
    let svg = grid::draw(&view);
    let titles = titles(&svg);
    assert!(titles.contains(&"gripping +0.100, to 1.457, another prediction".to_owned()), "{titles:?}");
    assert!(
        titles.contains(&"A −0.225, to 1.132".to_owned())
            && titles.contains(&"A +0.300, to 1.657".to_owned())
    );
    assert_eq!(titles.iter().filter(|title| *title == ". nothing is left without it").count(), 2);
    assert_eq!(svg.matches("class=\"member\"").count(), 4, "a word and a bar of each action");
    view.mask = None;
    (view.complete, view.warnings) = (false, Vec::new());
    let said = words(&grid::draw(&view)).join(" ");
    assert!(said.contains("Each word deleted") && !said.contains("Each word masked"));
    assert!(said.contains("Not complete."));
}

#[test]
fn only_the_strongest_words_have_bars_and_the_others_are_counted() {
    let svg = grid::draw(&sample::grid(&"one two three ".repeat(5), None));
    assert_eq!(svg.matches("<rect class=\"bar").count(), 2 * 10);
    assert!(words(&svg).contains(&"The 10 strongest of 14 words; 4 more have no bar here.".to_owned()));
}

#[test]
fn mediation_has_a_cell_for_every_place_and_part_with_its_figures() {
    let texts = [("A gripping film.", None), ("A boring film.", None)];
    let svg = mediation::draw(&sample::mediation(texts, 3, 4, 5));
    let (said, titles) = (words(&svg), titles(&svg));
    for wanted in [
        "positive 93.8\u{a0}% → negative 71.2\u{a0}%",
        "Total effect −2.514",
        "The logit of positive less that of negative: 1.357 → −1.157",
        "gripping → boring",
        "layer 2, feed-forward",
        "direct −2.500",
    ] {
        assert!(said.contains(&wanted.to_owned()), "{wanted} in {said:?}");
    }
    assert_eq!(
        (of_class(&svg, "deleted"), of_class(&svg, "inserted")),
        (vec!["gripping".into()], vec!["boring".into()])
    );
    let count = |start: &str| titles.iter().filter(|title| title.starts_with(start)).count();
    assert_eq!([count("Hidden state 3, "), count("Layer 1, head "), count("Layer 1, group ")], [6, 8, 10]);
    assert!(
        titles.contains(&"Hidden state 0, [CLS] −1.000, -100.0\u{a0}% of the total effect".replace('-', "−"))
    );
    assert!(titles.contains(&"Layer 0, head 1: indirect −0.260".to_owned()));
}

#[test]
fn what_mediation_was_not_asked_for_is_left_out() {
    let mut view = sample::mediation([("A film.", None); 2], 2, 2, 2);
    (view.layers, view.heads, view.neurons, view.patching) = (None, None, None, None);
    view.complete = false;
    let message = "There is next to nothing to be mediated.".to_owned();
    view.warnings.push(Warning { code: WarningCode::SmallTotalEffect, message });
    let svg = mediation::draw(&view);
    let said = words(&svg).join(" ");
    assert!(said.contains("Warning. There is next to nothing") && said.contains("Not complete."));
    assert!(!["Heads", "Layers", "Neurons", "Places"].iter().any(|name| said.contains(name)));
    assert!(!svg.contains("class=\"map\""));
}

#[test]
fn columns_that_are_too_many_are_drawn_as_the_strongest_of_several() {
    let svg = mediation::draw(&sample::mediation([("A film.", None); 2], 2, 2, 3072));
    assert!(words(&svg).join(" ").contains("A cell is the strongest of 24 columns"));
    assert!(svg.len() < 200_000, "{} bytes", svg.len());
}
