//! An edit in a few words.

use serde_json::Value;

use crate::engine::answer::WordView;
use crate::render::wording::isolated;

/// What an edit does, with the words that it is about.
pub fn described(edit: &Value, words: &[WordView]) -> String {
    match edit["action"].as_str().unwrap_or_default() {
        "replace" => {
            let with = quoted(edit["with"].as_str().unwrap_or_default());
            format!("{} → {with}", named(&edit["word"], words))
        }
        "delete" => format!("delete {}", all(&edit["words"], words)),
        "mask" => format!("mask {}", all(&edit["words"], words)),
        "hide" => format!("hide {}", all(&edit["words"], words)),
        "scale_heads" => format!("{} × {}", heads(&edit["heads"]), number(&edit["factor"])),
        "scale_neurons" => {
            let (layer, factor) = (number(&edit["layer"]), number(&edit["factor"]));
            format!("{} of layer {layer} × {factor}", neurons(&edit["neurons"]))
        }
        "patch" => patch(edit, words),
        "erase" => {
            let method = edit["method"].as_str().map(|method| format!(" by {method}"));
            format!("erase {}{}{}", concept(&edit["concept"]), method.unwrap_or_default(), layer(edit))
        }
        "push" => {
            let strength = number(&edit["strength"]);
            format!("push {} by {strength}{}", concept(&edit["concept"]), layer(edit))
        }
        // Of a program that knew other edits.
        _ => edit.to_string(),
    }
}

fn patch(edit: &Value, words: &[WordView]) -> String {
    let at = match edit["words"].as_array().is_some_and(|list| !list.is_empty()) {
        true => format!(" at {}", all(&edit["words"], words)),
        false => String::new(),
    };
    let from = &edit["from"];
    let texts = [from.as_str(), from["text"].as_str(), from["text_pair"].as_str()];
    let texts: Vec<String> = texts.into_iter().flatten().map(quoted).collect();
    format!("patch of hidden state {}{at} from {}", number(&edit["layer"]), texts.join(" and "))
}

fn quoted(text: &str) -> String {
    format!("“{}”", isolated(text))
}

/// `word 3 “gripping”`.
fn named(index: &Value, words: &[WordView]) -> String {
    format!("word {}", bare(index, words))
}

fn bare(index: &Value, words: &[WordView]) -> String {
    let word = index.as_u64().and_then(|index| words.get(usize::try_from(index).ok()?));
    match word {
        Some(word) => format!("{} {}", word.index, quoted(&word.text)),
        None => number(index),
    }
}

/// `words 3 “gripping”, 4 “film”`.
fn all(indices: &Value, words: &[WordView]) -> String {
    let list: Vec<String> = entries(indices).map(|index| bare(index, words)).collect();
    format!("{} {}", if list.len() == 1 { "word" } else { "words" }, list.join(", "))
}

/// `head 0.3`, `heads 0.3, 1.2`: layer and head.
fn heads(heads: &Value) -> String {
    let list: Vec<String> =
        entries(heads).map(|head| format!("{}.{}", number(&head["layer"]), number(&head["head"]))).collect();
    format!("{} {}", if list.len() == 1 { "head" } else { "heads" }, list.join(", "))
}

/// `neuron 7`, `neurons 0–31, 40`: consecutive ones as one.
fn neurons(neurons: &Value) -> String {
    let list: Vec<u64> = entries(neurons).filter_map(Value::as_u64).collect();
    let runs: Vec<String> = list
        .chunk_by(|before, after| before.checked_add(1) == Some(*after))
        .map(|run| match run {
            [one] => one.to_string(),
            [first, .., last] => format!("{first}–{last}"),
            [] => String::new(),
        })
        .collect();
    format!("{} {}", if list.len() == 1 { "neuron" } else { "neurons" }, runs.join(", "))
}

/// A concept by name and version, in whichever form it stands.
fn concept(concept: &Value) -> String {
    match (concept.as_str(), concept["name"].as_str()) {
        (Some(name), _) => isolated(name),
        (None, Some(name)) => match concept["version"].as_u64() {
            Some(version) => format!("{}@{version}", isolated(name)),
            None => isolated(name),
        },
        (None, None) => concept.to_string(),
    }
}

fn layer(edit: &Value) -> String {
    if edit["layer"].is_null() { String::new() } else { format!(" at layer {}", number(&edit["layer"])) }
}

/// A number without decimals that say nothing, and with a proper minus.
fn number(value: &Value) -> String {
    match value.as_f64() {
        Some(number) => (number + 0.0).to_string().replace('-', "−"),
        None => value.to_string(),
    }
}

fn entries(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::render::sample;

    #[test]
    fn an_edit_is_told_with_the_words_it_is_about() {
        let words = sample::review().words;
        let told = |edit: Value| described(&edit, &words);
        let of = [
            (json!({"action": "replace", "word": 1, "with": "dull"}), "word 1 “gripping” → “dull”"),
            (json!({"action": "delete", "words": [0, 2]}), "delete words 0 “A”, 2 “film”"),
            (json!({"action": "mask", "words": [6]}), "mask word 6 “drags”"),
            (json!({"action": "hide", "words": [6]}), "hide word 6 “drags”"),
            (
                json!({"action": "scale_heads", "heads": [{"layer": 0, "head": 3}], "factor": 0.0}),
                "head 0.3 × 0",
            ),
            (
                json!({"action": "scale_neurons", "layer": 2, "neurons": [0, 1, 2, 7], "factor": -1.5}),
                "neurons 0–2, 7 of layer 2 × −1.5",
            ),
            (
                json!({"action": "patch", "layer": 3, "from": "A dull film."}),
                "patch of hidden state 3 from “A dull film.”",
            ),
            (
                json!({"action": "patch", "layer": 3, "from": {"text": "A", "text_pair": "B"}, "words": [0]}),
                "patch of hidden state 3 at word 0 “A” from “A” and “B”",
            ),
            (
                json!({"action": "erase", "concept": {"name": "acting", "version": 2}, "method": "leace", "layer": 4}),
                "erase acting@2 by leace at layer 4",
            ),
            (json!({"action": "push", "concept": "acting@2", "strength": 1.5}), "push acting@2 by 1.5"),
        ];
        for (edit, wanted) in of {
            assert_eq!(told(edit), wanted);
        }
        assert_eq!(told(json!({"action": "later", "x": 1})), r#"{"action":"later","x":1}"#);
    }
}
