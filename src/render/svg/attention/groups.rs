//! Heads that attend alike, under the letters of their groups.

use crate::engine::answer::{AttentionView, HeadPlace};
use crate::render::svg::canvas::Canvas;
use crate::render::svg::style::{LABEL, NOTE};

/// The groups of an answer.
pub struct Groups<'a> {
    /// Those of more than one head, each with its letters; `None` where none were asked for.
    alike: Option<Vec<(String, &'a [HeadPlace])>>,
    /// Heads that attend like no other.
    alone: usize,
}

impl<'a> Groups<'a> {
    /// Those of an answer, in its order.
    pub fn new(view: &'a AttentionView) -> Self {
        let Some(groups) = &view.groups else { return Groups { alike: None, alone: 0 } };
        let alike = groups.iter().filter(|group| group.len() > 1).enumerate();
        Groups {
            alike: Some(alike.map(|(place, group)| (letters(place), group.as_slice())).collect()),
            alone: groups.iter().filter(|group| group.len() == 1).count(),
        }
    }

    /// The letters of a head's group, if there are others in it.
    pub fn letters(&self, (layer, head): (usize, usize)) -> Option<&str> {
        let mut groups = self.alike.iter().flatten();
        let found = groups.find(|(_, group)| group.contains(&HeadPlace { layer, head }));
        found.map(|(letters, _)| letters.as_str())
    }

    /// Lists them; draws nothing where none were asked for.
    pub fn list(&self, canvas: &mut Canvas) {
        let Some(alike) = &self.alike else { return };
        canvas.heading(&LABEL, "Groups", " of heads that attend alike, each head as layer/head");
        for (letters, group) in alike {
            let heads: Vec<String> =
                group.iter().map(|place| format!("{}/{}", place.layer, place.head)).collect();
            canvas.paragraph(&NOTE, &format!("{letters}: {}", heads.join(", ")));
        }
        match self.alone {
            0 => {}
            1 => canvas.paragraph(&NOTE, "1 head attends like no other that is shown."),
            alone => canvas.paragraph(&NOTE, &format!("{alone} heads attend like no other that is shown.")),
        }
        canvas.skip(14.0);
    }
}

/// A, B, …, Z, AA, AB, …
fn letters(place: usize) -> String {
    let last = char::from(b'A' + (place % 26) as u8);
    match place / 26 {
        0 => last.to_string(),
        before => format!("{}{last}", letters(before - 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_go_on_after_z() {
        assert_eq!([0, 25, 26, 51, 52, 702].map(letters), ["A", "Z", "AA", "AZ", "BA", "AAA"]);
    }
}
