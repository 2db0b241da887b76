//! What is known of English: enough to propose words that could stand in a sentence in place of others. Words of other
//! languages are simply not in the lists.

use std::collections::HashMap;
use std::sync::LazyLock;

/// `first <> second` both ways, `first > second` one way; see `data/english/README.md`.
const OPPOSITES: &str = include_str!("../../../data/english/opposites.txt");

/// Words that hold a sentence together and say little of their own: articles, pronouns, prepositions, conjunctions,
/// auxiliaries. Negations are not among them.
const FUNCTION_WORDS: &str = "\
a an the this that these those such \
i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his himself she her hers herself it \
its itself they them their theirs themselves one ones oneself who whom whose which what whoever whatever whichever \
about above across after against along amid among amongst around as at before behind below beneath beside besides between \
beyond by concerning despite down during except for from in inside into near of off on onto out outside over past per \
regarding since through throughout till to toward towards under underneath until unto up upon via with within \
and but or so yet because although though while whereas if unless whether than then that when whenever where wherever why \
how once \
am is are was were be been being do does did doing done have has had having can could may might must shall should will \
would ought \
i'm i've i'd i'll you're you've you'd you'll he's he'd he'll she's she'd she'll it's it'd it'll we're we've we'd we'll \
they're they've they'd they'll that's there's here's what's who's let's \
there here also each other another both either same s t d ll m re ve";

/// Words that say how much.
const DEGREE_WORDS: &str = "\
absolutely almost altogether amazingly awfully barely completely considerably deeply dreadfully entirely especially \
exceedingly exceptionally extraordinarily extremely fairly fully greatly hardly highly hugely immensely incredibly insanely \
intensely largely less little mainly merely mildly moderately more most mostly nearly overly partially partly particularly \
perfectly positively pretty profoundly purely quite rather really reasonably relatively remarkably scarcely seriously \
simply slightly so somewhat strikingly strongly super supremely surprisingly terribly thoroughly too totally truly \
unbelievably unusually utterly very virtually vastly wholly";

/// Words whose ending looks like that of a form, and is none.
const NOT_INFLECTED: &str = "\
anything everything nothing something during evening morning ceiling \
sacred naked wicked hundred kindred biped \
always perhaps yes was gas lens news series species besides bias christmas \
honest dishonest modest immodest interest harvest forest contest protest request suggest arrest invest digest earnest tempest \
conquest guest quest latest \
business harness witness \
only early family reply apply supply ally rally fly ugly lovely silly lonely friendly deadly lively costly likely unlikely \
holy unholy july italy belly jelly bully elderly cowardly homely worldly";

/// Words that begin with a vowel and are spoken as if not.
const LIKE_CONSONANTS: [&str; 12] =
    ["eu", "ewe", "one", "once", "ouija", "ubiq", "use", "usu", "usa", "uti", "ufo", "uk"];

/// Words whose `h` is not spoken.
const SILENT_H: [&str; 5] = ["hour", "honest", "honor", "honour", "heir"];

/// Whether a word holds a sentence together rather than saying something of its own.
pub fn is_function_word(word: &str) -> bool {
    static WORDS: LazyLock<Vec<&str>> = LazyLock::new(|| sorted(FUNCTION_WORDS));
    WORDS.binary_search(&plain(word).as_str()).is_ok()
}

/// Whether a word says how much: `very`, `hardly`.
pub fn is_degree_word(word: &str) -> bool {
    static WORDS: LazyLock<Vec<&str>> = LazyLock::new(|| sorted(DEGREE_WORDS));
    WORDS.binary_search(&plain(word).as_str()).is_ok()
}

/// What says the contrary of a word, in lower case, the likeliest first; nothing for a word that is not in the list.
pub fn opposites(word: &str) -> &'static [&'static str] {
    static OPPOSITES_OF: LazyLock<HashMap<&str, Vec<&str>>> = LazyLock::new(|| {
        let mut opposites: HashMap<&str, Vec<&str>> = HashMap::new();
        for (word, opposite) in pairs() {
            opposites.entry(word).or_default().push(opposite);
        }
        opposites
    });
    OPPOSITES_OF.get(plain(word).as_str()).map_or(&[], Vec::as_slice)
}

/// Each word of the list with an opposite, in the order of the list.
fn pairs() -> impl Iterator<Item = (&'static str, &'static str)> {
    OPPOSITES.lines().filter(|line| !line.starts_with('#')).flat_map(|line| {
        let both = line.split_once(" <> ");
        let there = both.or_else(|| line.split_once(" > "));
        there.into_iter().chain(both.map(|(first, second)| (second, first)))
    })
}

/// The ending of a word that tells its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// slowly
    Ly,
    /// boring
    Ing,
    /// bored
    Ed,
    /// dullest; best, worst, most and least too
    Est,
    /// dullness
    Ness,
    /// films, fails
    S,
    /// All others.
    Plain,
}

impl Form {
    const ENDINGS: [(&'static str, Form); 6] = [
        ("ness", Form::Ness),
        ("ing", Form::Ing),
        ("est", Form::Est),
        ("ly", Form::Ly),
        ("ed", Form::Ed),
        ("s", Form::S),
    ];

    fn of(word: &str) -> Self {
        if matches!(word, "best" | "worst" | "most" | "least") {
            return Form::Est;
        }
        let ending = Form::ENDINGS.iter().find(|(ending, _)| without(word, ending).is_some());
        ending.map_or(Form::Plain, |(_, form)| *form)
    }
}

/// Whether two words have the same form by their endings (-ly, -ing, -ed, -est, -ness, -s or none of them), so that one
/// is likely to fit where the other stands.
pub fn same_form(old: &str, new: &str) -> bool {
    Form::of(&plain(old)) == Form::of(&plain(new))
}

/// Whether two words are forms of one: `bore`, `bored` and `boring`. By their endings alone, so irregular forms are missed.
pub fn same_stem(first: &str, second: &str) -> bool {
    stem(&plain(first)) == stem(&plain(second))
}

/// What the forms of a word have in common, without doubled consonants, silent `e` and `y`.
fn stem(word: &str) -> String {
    let mut stem = word.strip_suffix("'s").unwrap_or(word);
    for ending in ["s", "ness", "ly", "ing", "ed", "est", "er"] {
        stem = without(stem, ending).filter(|rest| rest.chars().count() > 2).unwrap_or(stem);
    }
    let mut letters: Vec<char> = stem.chars().collect();
    if letters.len() > 2 && letters.last().is_some_and(|last| matches!(last, 'e' | 'y' | 'i')) {
        letters.pop();
    }
    // `bodies` has lost its `es` by now, but not its `i`.
    if letters.len() > 3 && letters.last().is_some_and(|last| matches!(last, 'i' | 'y')) {
        letters.pop();
    }
    if let [.., before, last] = letters[..]
        && before == last
        && letters.len() > 2
    {
        letters.pop();
    }
    letters.into_iter().collect()
}

/// A word without an ending, where there is something left that can be spoken, and the ending tells a form.
fn without<'a>(word: &'a str, ending: &str) -> Option<&'a str> {
    static EXCEPTIONS: LazyLock<Vec<&str>> = LazyLock::new(|| sorted(NOT_INFLECTED));
    let rest = word.strip_suffix(ending)?;
    let is_spoken = rest.chars().count() > 1 && rest.contains(['a', 'e', 'i', 'o', 'u', 'y']);
    let is_of_the_word = match ending {
        "s" => rest.ends_with(['s', 'u', 'i']) || rest.ends_with('\''),
        "ed" => rest.ends_with('e'),
        _ => false,
    };
    (is_spoken && !is_of_the_word && EXCEPTIONS.binary_search(&word).is_err()).then_some(rest)
}

/// Whether a word can stand behind an article by its sound: `a` before consonants, `an` before vowels, with the usual
/// exceptions. Anything but `a` and `an` goes with every word.
pub fn fits_article(article: &str, word: &str) -> bool {
    match plain(article).as_str() {
        "a" => !begins_with_a_vowel(word),
        "an" => begins_with_a_vowel(word),
        _ => true,
    }
}

/// By sound.
fn begins_with_a_vowel(word: &str) -> bool {
    let lower = plain(word);
    let Some(first) = lower.chars().next() else { return false };
    let is_spelt = lower.chars().count() == 1 && word != "a" || is_initialism(word);
    if is_spelt && first.is_ascii_alphabetic() {
        return matches!(first, 'a' | 'e' | 'f' | 'h' | 'i' | 'l' | 'm' | 'n' | 'o' | 'r' | 's' | 'x');
    }
    match first {
        'h' => SILENT_H.iter().any(|silent| lower.starts_with(silent)),
        '8' => true,
        '1' => ["11", "18"].contains(&lower.as_str()),
        'u' if lower.starts_with("uni") => {
            // `unimportant` has the `un` of `unkind`; `unique` has not.
            lower.chars().nth(3).is_some_and(|next| matches!(next, 'd' | 'm' | 'n' | 'r'))
        }
        'a' | 'e' | 'i' | 'o' | 'u' => !LIKE_CONSONANTS.iter().any(|like| lower.starts_with(like)),
        _ => false,
    }
}

/// Two to four capitals with no vowel before the last, as in `NBC` and `FBI`, are read letter by letter.
fn is_initialism(word: &str) -> bool {
    let is_vowel = |letter: char| matches!(letter, 'A' | 'E' | 'I' | 'O' | 'U' | 'Y');
    (2..=4).contains(&word.chars().count())
        && word.chars().all(|letter| letter.is_ascii_uppercase())
        && !word.chars().rev().skip(1).any(is_vowel)
}

/// A word as the lists have it.
fn plain(word: &str) -> String {
    word.to_lowercase().replace('’', "'")
}

fn sorted(words: &'static str) -> Vec<&'static str> {
    let mut words: Vec<&str> = words.split_whitespace().collect();
    words.sort_unstable();
    words
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::model::words::words;

    #[test]
    fn every_opposite_is_another_single_word_in_lower_case_and_stands_there_once() {
        let mut seen = HashSet::new();
        for (word, opposite) in pairs() {
            assert_ne!(word, opposite);
            assert!(seen.insert((word, opposite)), "{word} twice with {opposite}");
            for word in [word, opposite] {
                assert_eq!(word, word.to_lowercase());
                assert!(!word.is_empty() && !word.contains(char::is_whitespace), "{word:?}");
            }
        }
        let lines = OPPOSITES.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        assert!(lines.clone().all(|line| line.contains(" <> ") || line.contains(" > ")));
        assert!(lines.count() > 300);
    }

    #[test]
    fn what_is_looked_up_is_one_word_of_a_text() {
        for (word, _) in pairs().filter(|(word, _)| !word.contains('-')) {
            assert_eq!(words(word).len(), 1, "{word}");
        }
    }

    #[test]
    fn opposites_are_found_in_any_case_and_both_ways_where_that_makes_sense() {
        assert_eq!(opposites("good")[0], "bad");
        assert_eq!(opposites("BAD")[0], "good");
        assert_eq!(opposites("Can’t"), ["can"]);
        assert_eq!(opposites("sometimes"), ["never"]);
        assert_eq!(opposites("never")[0], "always");
        assert!(!opposites("never").contains(&"sometimes"));
        for unknown in ["too", "film", "", "gut"] {
            assert!(opposites(unknown).is_empty(), "{unknown}");
        }
    }

    #[test]
    fn function_words_and_degree_words_are_told_from_what_says_something() {
        for word in ["The", "of", "it’s", "which", "IS"] {
            assert!(is_function_word(word), "{word}");
        }
        for word in ["film", "never", "not", "good", "without", "no", ""] {
            assert!(!is_function_word(word), "{word}");
        }
        assert!(is_degree_word("very") && is_degree_word("Hardly"));
        assert!(!is_degree_word("film") && !is_degree_word("good"));
    }

    #[test]
    fn words_of_one_ending_have_one_form() {
        let alike = [
            ("boring", "gripping"),
            ("bored", "gripped"),
            ("slowly", "finely"),
            ("films", "plays"),
            ("dullest", "finest"),
            ("best", "worst"),
            ("dullness", "sadness"),
            ("good", "bad"),
            ("fails", "works"),
            ("Red", "need"),
            ("thing", "film"),
            ("ugly", "dull"),
            ("boss", "thesis"),
            ("nothing", "all"),
        ];
        for (old, new) in alike {
            assert!(same_form(old, new), "{old} {new}");
        }
        let different = [
            ("boring", "dull"),
            ("bored", "boring"),
            ("slowly", "slow"),
            ("film", "films"),
            ("best", "good"),
            ("nothing", "boring"),
            ("early", "slowly"),
            ("sacred", "bored"),
        ];
        for (old, new) in different {
            assert!(!same_form(old, new), "{old} {new}");
        }
    }

    #[test]
    fn forms_of_a_word_have_one_stem() {
        for forms in [
            vec!["bore", "bored", "boring", "bores"],
            vec!["funny", "funnier", "funniest", "Funniness"],
            vec!["stop", "stopped", "stopping", "stops"],
            vec!["good", "goodness"],
            vec!["film", "films", "film's", "film’s", "filmed", "filming"],
            vec!["dull", "dullness", "duller", "dulled"],
            vec!["story", "stories"],
        ] {
            for form in &forms[1..] {
                assert!(same_stem(forms[0], form), "{} {form}", forms[0]);
            }
        }
        for (first, second) in
            [("good", "bad"), ("thing", "the"), ("best", "bed"), ("bring", "brings up"), ("sing", "s")]
        {
            assert!(!same_stem(first, second), "{first} {second}");
        }
    }

    #[test]
    fn an_article_goes_with_words_by_their_sound() {
        let of_a = [
            "film",
            "university",
            "one",
            "useful",
            "European",
            "house",
            "unique",
            "history",
            "once",
            "NATO",
            "7",
        ];
        let of_an = [
            "awful",
            "hour",
            "honest",
            "heir",
            "unimaginative",
            "unkind",
            "FBI",
            "x",
            "8",
            "11",
            "odd",
            "Utter",
        ];
        for word in of_a {
            assert!(fits_article("a", word) && !fits_article("An", word), "{word}");
        }
        for word in of_an {
            assert!(fits_article("AN", word) && !fits_article("a", word), "{word}");
        }
        assert!(fits_article("the", "awful") && fits_article("", "film"));
    }

    proptest! {
        #[test]
        fn forms_and_stems_are_the_same_either_way_round(first in "\\PC{0,12}", second in "\\PC{0,12}") {
            prop_assert_eq!(same_form(&first, &second), same_form(&second, &first));
            prop_assert_eq!(same_stem(&first, &second), same_stem(&second, &first));
            prop_assert!(same_form(&first, &first) && same_stem(&first, &first));
            prop_assert!(!(fits_article("a", &first) && fits_article("an", &first)));
        }
    }
}
