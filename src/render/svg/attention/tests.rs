use roxmltree::{Document, Node};

use crate::engine::Answer;
use crate::render::sample;
use crate::render::svg::measure::width;
use crate::render::svg::style::{NOTE, SMALL};
use crate::render::svg::tests::{Extent, SVG, extent, titles, words};
use crate::render::svg::{answer, attention};

fn number(node: Node<'_, '_>, name: &str) -> f32 {
    node.attribute(name).map_or(0.0, |value| value.parse().unwrap())
}

/// Left, top, right and bottom of what is turned, drawn as a rectangle, or a route.
fn corners(node: Node<'_, '_>) -> Vec<(f32, f32)> {
    let (x, y) = (number(node, "x"), number(node, "y"));
    let numbers = |text: &str| -> Vec<f32> {
        let split = text.split(|c: char| !c.is_ascii_digit() && c != '.');
        split.filter(|part| !part.is_empty()).map(|part| part.parse().unwrap()).collect()
    };
    let class = node.attribute("class").unwrap_or_default();
    match (node.tag_name().name(), node.attribute("transform")) {
        ("rect", _) => vec![(x, y), (x + number(node, "width"), y + number(node, "height"))],
        ("text", Some(transform)) => {
            let place = numbers(transform);
            let size = if class == "note" { NOTE.size } else { SMALL.size };
            let reach = width(node.text().unwrap_or_default(), size);
            let up = if node.attribute("text-anchor") == Some("end") { -reach } else { reach };
            vec![(place[0] - size, place[1]), (place[0], place[1] - up)]
        }
        ("path", None)
            if ["route", "casing"].contains(&class) && !node.attribute("d").unwrap().contains('h') =>
        {
            let half = number(node, "stroke-width") / 2.0;
            let places = numbers(node.attribute("d").unwrap());
            let places = places.chunks(2).map(|place| (place[0], place[1]));
            places.flat_map(|(x, y)| [(x - half, y - half), (x + half, y + half)]).collect()
        }
        _ => Vec::new(),
    }
}

fn samples() -> Vec<Answer> {
    sample::all().into_iter().filter(|answer| answer.attention.is_some()).collect()
}

/// The texts that stand upright and say this, and where.
fn upright(svg: &str, said: &str) -> Vec<Extent> {
    let document = Document::parse(svg).unwrap();
    let texts = document.descendants().filter(|node| node.has_tag_name((SVG, "text")));
    texts.filter(|node| node.text() == Some(said)).filter_map(extent).collect()
}

#[test]
fn no_map_name_or_route_leaves_the_picture_by_itself_or_in_a_page() {
    for sample in samples() {
        for svg in [answer(&sample), attention(&sample).unwrap()] {
            let document = Document::parse(&svg).unwrap();
            let root = document.root_element();
            let (across, down) = (number(root, "width"), number(root, "height"));
            for node in document.descendants().filter(|node| node.is_element()) {
                for (x, y) in corners(node) {
                    let inside = (0.0..=across).contains(&x) && (0.0..=down).contains(&y);
                    assert!(inside, "{x} {y} of {node:?} in {across} × {down}");
                }
                if let Some(text) = node.has_tag_name((SVG, "text")).then(|| extent(node)).flatten() {
                    assert!(text.left >= 0.0 && text.right <= across, "{node:?} in {across}");
                }
            }
        }
    }
}

fn is_name(text: &str) -> bool {
    text.strip_prefix("token").is_some_and(|index| index.parse::<usize>().is_ok())
}

#[test]
fn one_head_has_every_name_on_both_axes_as_far_as_there_is_room() {
    let svg = answer(&sample::one_head(40));
    let said = words(&svg);
    let count = |name: &str| said.iter().filter(|text| *text == name).count();
    assert!((1..39).all(|index| count(&format!("token{index}")) == 2));
    assert_eq!((count("[CLS]"), count("[SEP]"), count("Layer 0, head 0")), (2, 2, 1));
    assert!(said.contains(&"keys →".to_owned()) && said.contains(&"queries ↓".to_owned()));
    assert!(!said.join(" ").contains("no room"));
    let baselines: Vec<f32> =
        (1..39).flat_map(|index| upright(&svg, &format!("token{index}"))).map(|text| text.baseline).collect();
    assert!(baselines.len() == 38 && baselines.windows(2).all(|two| two[1] - two[0] >= NOTE.size));

    let more = words(&answer(&sample::one_head(41)));
    assert!(more.join(" ").contains("one token in 2 is named"));
    assert_eq!(more.iter().filter(|text| is_name(text)).count(), 2 * 19);
}

#[test]
fn the_weights_of_one_head_can_be_read_under_the_pointer_and_on_the_scale() {
    let sample = sample::one_head(6);
    let weights = sample.attention.as_ref().unwrap().weights.clone().unwrap();
    let svg = answer(&sample);
    let titles = titles(&svg);
    assert_eq!(titles.len(), 1 + 6 * 6, "one for the map, and one for each cell");
    assert!(titles.contains(&format!("token2 → [SEP] {:.3}", weights[0][0][2][5])));
    let largest = weights.concat().concat().concat().into_iter().fold(0.0, f32::max);
    assert!(words(&svg).contains(&format!("{largest:.3}")));
    assert!(words(&svg).contains(&format!("{:.3}", largest / 4.0)));
}

#[test]
fn many_heads_have_a_patch_each_and_their_names_stand_clear_of_it() {
    let svg = answer(&sample::grouped());
    let document = Document::parse(&svg).unwrap();
    let heads: Vec<Node<'_, '_>> =
        document.descendants().filter(|node| node.attribute("class") == Some("head")).collect();
    assert_eq!(heads.len(), 36);
    assert!(titles(&svg).contains(&"Layer 2, head 11: entropy 0.41, special 0.83".to_owned()));
    let bar = heads[1].children().find(|node| node.attribute("class") == Some("mass")).unwrap();
    assert!((number(bar, "width") / 48.0 - 0.83).abs() < 0.01);
    let name = &upright(&svg, "0/1 B")[0];
    let below = number(bar, "y") + number(bar, "height");
    assert!(name.baseline - SMALL.size >= below - 1.0, "{} under {below}", name.baseline);
    assert!(!answer(&sample::attention(1, 2, 12)).contains("class=\"head\""));
}

#[test]
fn heads_that_attend_alike_are_outlined_and_listed_under_a_letter() {
    let svg = answer(&sample::grouped());
    assert_eq!(svg.matches("<rect class=\"member\"").count(), 5);
    let said = words(&svg);
    for wanted in
        ["A: 0/0, 1/3, 2/11", "B: 0/1, 0/2", "31 heads attend like no other that is shown.", "2/11 A"]
    {
        assert!(said.contains(&wanted.to_owned()), "{wanted}");
    }
    assert!(!words(&answer(&sample::attention(3, 12, 10))).join(" ").contains("Groups"));
}

#[test]
fn routes_are_lines_as_wide_as_their_weights_from_the_embeddings_up() {
    let svg = answer(&sample::routed(12, 3));
    let document = Document::parse(&svg).unwrap();
    let widths: Vec<f32> = document
        .descendants()
        .filter(|node| node.attribute("class") == Some("route") && node.attribute("d").unwrap().contains('L'))
        .map(|node| number(node, "stroke-width"))
        .collect();
    assert_eq!(widths.len(), 3);
    assert!((widths[0] / widths[1] - 2.0).abs() < 0.01 && (widths[0] / widths[2] - 3.0).abs() < 0.01);
    let [embeddings, first, last] =
        ["embeddings", "layer 0", "layer 5"].map(|name| upright(&svg, name)[0].baseline);
    assert!(embeddings > first && first > last);
    assert!(upright(&svg, "[CLS]")[0].baseline < last, "where they end is above");
    let said = words(&svg);
    assert!((1..11).all(|index| said.contains(&format!("token{index}"))));
    for wanted in ["0.500", "0.250", "0.167", "token2 → [CLS]", "token9 → [CLS]"] {
        assert!(said.contains(&wanted.to_owned()), "{wanted}");
    }
}

#[test]
fn routes_through_a_long_text_have_columns_for_the_tokens_they_pass() {
    let said = words(&answer(&sample::routed(90, 30)));
    assert!(said.join(" ").contains("tokens that a route passes"));
    assert!(said.join(" ").contains("The 12 heaviest of 30 routes; 18 more are drawn alone."));
    let mut none = sample::routed(12, 3);
    none.attention.as_mut().unwrap().routes = Some(Vec::new());
    assert!(words(&answer(&none)).contains(&"No route has a weight above 0.".to_owned()));
}

#[test]
fn what_is_left_out_of_maps_has_neither_name_nor_cell() {
    let svg = answer(&sample::largest_weights(9));
    let said = words(&svg);
    assert!(!said.iter().any(|text| text == "[CLS]" || text == "[SEP]"));
    assert_eq!(said.iter().filter(|text| *text == "token3").count(), 2);
    assert!(titles(&svg).contains(&"token3 → token3 0.500".to_owned()));
    assert!(titles(&svg).contains(&"token3 → token4 0.250".to_owned()));
    assert_eq!(titles(&svg).len(), 1 + 2 * 7, "two weights of each row are told");
    assert!(said.join(" ").contains("Special tokens are left out of the maps"));

    let mut nothing = sample::largest_weights(9);
    let view = nothing.attention.as_mut().unwrap();
    (view.tokens, view.top, view.rollout) = (Vec::new(), Some(vec![vec![Vec::new()]]), Vec::new());
    assert!(words(&answer(&nothing)).join(" ").contains("there are no maps"));
}
