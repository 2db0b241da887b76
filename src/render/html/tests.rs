use super::answer;
use crate::engine::answer::TruncationNote;
use crate::render::sample;

#[test]
fn a_page_stands_alone_and_is_the_same_each_time() {
    for sample in sample::all() {
        let html = answer(&sample);
        assert!(html.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"));
        for foreign in
            ["<script", "<link", "<img", "@import", "url(", " src=", " href=", " style=", " onload="]
        {
            assert!(!html.contains(foreign), "{foreign}");
        }
        let pictures = usize::from(sample.attention.is_some()) + usize::from(sample.edits.is_some());
        assert_eq!(html.matches("<style>").count(), 1 + pictures);
        assert_eq!(html, answer(&sample));
    }
}

#[test]
fn words_carry_their_scores_in_text_and_table() {
    let html = answer(&sample::review());
    assert!(html.contains("title=\"gripping +0.914\">gripping</span>"));
    assert!(html.contains("<th scope=\"row\"><bdi>drags</bdi></th><td>−0.526</td>"));
    assert!(html.contains("<th scope=\"col\">Word</th>"));
}

#[test]
fn a_hostile_text_stays_text() {
    let html = answer(&sample::hostile());
    assert!(!html.contains("<script") && !html.contains("<b ") && !html.contains("<i>"));
    assert_eq!([html.matches("</style>").count(), html.matches("</title>").count()], [1, 1]);
    assert!(html.contains("&lt;script&gt;") || html.contains("&lt;</span>"));
    assert!(!html.contains('\0') && !html.contains('\u{1b}'));
}

#[test]
fn what_goes_past_twelve_rows_opens_on_demand() {
    let long = answer(&sample::words(&"word ".repeat(15), &[0.5; 15]));
    assert!(long.contains("<summary>3 more words</summary>"));
    assert_eq!(long.matches("<tr><th scope=\"row\">").count(), 15);
    assert!(!answer(&sample::review()).contains("<details>"));
}

#[test]
fn a_text_decides_its_own_direction() {
    let html = answer(&sample::words("שלום", &[0.3]));
    assert!(html.contains("<p class=\"text\" dir=\"auto\" lang=\"\">") && html.contains("<bdi>שלום</bdi>"));
}

#[test]
fn what_was_cut_off_is_struck_out() {
    let mut sample = sample::words("seen", &[0.5]);
    sample.text.push_str(" unseen");
    sample.truncated =
        Some(TruncationNote { tokens: 9, limit: 3, kept_to_character: 4, kept_to_character_pair: None });
    assert!(answer(&sample).contains("did not see it\"> unseen</s>"));
}

#[test]
fn attention_stands_in_the_page_as_a_picture() {
    let html = answer(&sample::attention(1, 2, 12));
    assert!(html.contains("<figure class=\"attention\"") && html.contains("<svg xmlns="));
}

#[test]
fn figures_of_quality_are_a_table_with_what_they_say_and_methods_are_compared_in_another() {
    let html = answer(&sample::judged());
    assert!(html.contains("<th scope=\"row\">better than random by</th><td>+0.326</td>"));
    assert!(html.contains("How far to trust these scores (full)") && html.contains("lower is better"));
    assert!(html.contains("<bdi>Integrated Gradients and saliency for positive</bdi></th><td>+0.782</td>"));
    assert!(html.contains("<td>undefined</td>"));
    assert_eq!(html.matches("<rect class=\"band\"").count(), 10);
    let without = answer(&sample::review());
    assert!(!without.contains("class=\"quality\"") && !without.contains("<rect class=\"band\""));
}

#[test]
fn a_pair_stands_in_two_columns_and_a_single_text_in_none() {
    let pair = answer(&sample::pair("Is it?", Some("It is."), &[0.1, 0.2, 0.3, -0.4, 0.5, 0.6]));
    assert!(pair.contains("<div class=\"pair\">") && pair.contains("<p class=\"quiet\">text_pair</p>"));
    assert!(!answer(&sample::review()).contains("<div class=\"pair\">"));
}

#[test]
fn a_sentence_has_its_score_behind_it() {
    let html = answer(&sample::sentences(&[("It grips.", 0.8), ("It drags.", -0.3)]));
    assert!(html.contains(">It grips.</span><b dir=\"ltr\">+0.800</b> <span"));
    assert!(!answer(&sample::review()).contains("<b "));
}

#[test]
fn a_long_text_scrolls_within_the_page() {
    let region = "<div class=\"long\" tabindex=\"0\"";
    assert!(answer(&sample::words(&"word ".repeat(201), &[0.5; 201])).contains(region));
    assert!(!answer(&sample::words(&"word ".repeat(200), &[0.5; 200])).contains(region));
}

#[test]
fn standard_errors_are_whiskers_and_numbers() {
    let html = answer(&sample::sampled("a fine film", &[0.1, 0.9, -0.4], &[0.2, 0.05, 0.1]));
    assert!(html.contains("<td>+0.900 <small>±\u{a0}0.050</small></td>"));
    assert_eq!(html.matches("<line class=\"whisker\"").count(), 9);
    assert!(html.contains("one standard error"));
}
