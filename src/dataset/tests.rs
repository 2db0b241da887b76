//! Rows in both formats, cut anywhere.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::reference::reference;
use super::*;
use crate::identity::DatasetId;

/// The rows of these bytes, which come in pieces of this size.
fn read(format: Format, bytes: &[u8], size: usize) -> Result<Vec<Numbered>, Fault> {
    let (mut reader, mut rows) = (Reader::new(format), Vec::new());
    for piece in bytes.chunks(size) {
        reader.push(piece, &mut rows)?;
    }
    reader.end(&mut rows)?;
    Ok(rows)
}

fn id(rows: &[Numbered]) -> DatasetId {
    let mut tally = Tally::new();
    rows.iter().for_each(|row| {
        tally.add(row).unwrap();
    });
    tally.finish().unwrap().0
}

fn json_lines(rows: &[Row]) -> Vec<u8> {
    rows.iter().flat_map(|row| [row.canonical(), b"\n".to_vec()].concat()).collect()
}

fn csv(rows: &[Row]) -> Vec<u8> {
    let keys: std::collections::BTreeSet<&String> = rows.iter().flat_map(|row| row.metadata.keys()).collect();
    let quoted = |cell: &str| format!("\"{}\"", cell.replace('"', "\"\""));
    let mut table = vec!["label".to_owned(), "text".into(), "text_pair".into()];
    table.extend(keys.iter().map(|key| (*key).clone()));
    let mut lines = vec![table];
    for row in rows {
        let mut cells = vec![row.label.clone().unwrap_or_default(), row.text.clone()];
        cells.push(row.text_pair.clone().unwrap_or_default());
        cells.extend(keys.iter().map(|key| match row.metadata.get(*key) {
            Some(Scalar::Text(text)) => text.clone(),
            _ => String::new(),
        }));
        lines.push(cells);
    }
    let line =
        |cells: &Vec<String>| cells.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(",") + "\r\n";
    lines.iter().map(line).collect::<String>().into_bytes()
}

/// Any text that is not blank, with all that CSV and JSON have to escape.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[ \",\\\\\r\n\ta-c'é😀]{1,12}"]
        .prop_filter("not blank", |text: &String| !text.trim().is_empty())
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,3}", "[ \",\r\nA-C😀]{1,5}"].prop_filter("no other column", |name: &String| {
        !["text", "text_pair", "label"].contains(&name.as_str())
    })
}

fn row() -> impl Strategy<Value = Row> {
    let metadata = prop::collection::btree_map(name(), text().prop_map(Scalar::Text), 0..3);
    (text(), prop::option::of(text()), prop::option::of(name()), metadata)
        .prop_map(|(text, text_pair, label, metadata)| Row { text, text_pair, label, metadata })
}

proptest! {
    #[test]
    fn both_formats_give_the_same_rows_however_they_are_cut(
        rows in prop::collection::vec(row(), 1..8),
        size in 1_usize..40,
    ) {
        let from_json = read(Format::JsonLines, &json_lines(&rows), size).unwrap();
        let from_csv = read(Format::Csv, &csv(&rows), size).unwrap();
        let plain = |numbered: &[Numbered]| numbered.iter().map(|row| row.row.clone()).collect::<Vec<_>>();
        prop_assert_eq!(&plain(&from_json), &rows);
        prop_assert_eq!(&plain(&from_csv), &rows);
        prop_assert_eq!(id(&from_json), id(&from_csv));
    }

    #[test]
    fn no_bytes_are_too_strange(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "[{}\"textlab,:\r\n\u{feff} 0-9]{0,200}".prop_map(String::into_bytes),
        ],
        size in 1_usize..40,
    ) {
        for format in [Format::JsonLines, Format::Csv] {
            // How they are cut makes no difference.
            prop_assert_eq!(read(format, &bytes, size), read(format, &bytes, usize::MAX));
        }
    }
}

#[test]
fn null_says_the_same_as_nothing_and_a_whole_number_is_a_label() {
    let plain = br#"{"text":"a","label":"-7"}"#;
    let nulls = br#" {"metadata":{"x":null},"label":-7,"text_pair":null,"text":"a"} "#;
    let empty = br#"{"text":"a","label":"-7","metadata":{}}"#;
    let rows = [plain.as_slice(), nulls, empty].map(|line| read(Format::JsonLines, line, 7).unwrap());
    assert_eq!(rows[0], rows[1]);
    assert_eq!(rows[0], rows[2]);
    assert_eq!(rows[0][0].row.label.as_deref(), Some("-7"));
    let canonical = r#"{"text":"a","text_pair":null,"label":"-7","metadata":{}}"#;
    assert_eq!(rows[0][0].row.canonical(), canonical.as_bytes());
    let kept: Row = serde_json::from_str(canonical).unwrap();
    assert_eq!(kept, rows[0][0].row);
}

#[test]
fn metadata_keeps_numbers_and_truth_values() {
    let line = br#"{"text":"a","metadata":{"d":1.5,"a":true,"c":-3,"b":"x","e":18446744073709551615}}"#;
    let row = &read(Format::JsonLines, line, 9).unwrap()[0].row;
    let expected = r#"{"text":"a","text_pair":null,"label":null,"metadata":{"a":true,"b":"x","c":-3,"d":1.5,"e":18446744073709551615}}"#;
    assert_eq!(String::from_utf8(row.canonical()).unwrap(), expected);
}

#[test]
fn byte_order_marks_and_blank_lines_say_nothing() {
    let json = "\u{feff}\n{\"text\":\"a\"}\r\n \r\n{\"text\":\"b\"}";
    let csv = "\u{feff}\r\ntext\r\n\r\na\r\n\nb";
    for size in [1, 2, 3, 100] {
        let from_json = read(Format::JsonLines, json.as_bytes(), size).unwrap();
        let from_csv = read(Format::Csv, csv.as_bytes(), size).unwrap();
        let lines = |rows: &[Numbered]| rows.iter().map(|row| row.line).collect::<Vec<_>>();
        assert_eq!((lines(&from_json), lines(&from_csv)), (vec![2, 4], vec![4, 6]), "{size}");
        assert_eq!(id(&from_json), id(&from_csv));
    }
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let long = "x".repeat(MOST_ROW_BYTES);
    let huge_line = format!("{{\"text\":\"a\"}}\n{{\"text\":\"{long}\"}}");
    let huge_field = format!("text\n\"{long}x\"\n");
    let long_name = "n".repeat(MOST_NAME_CHARACTERS + 1);
    let long_label = format!(r#"{{"text":"a","label":"{long_name}"}}"#);
    let long_key = format!(r#"{{"text":"a","metadata":{{"{long_name}":1}}}}"#);
    let columns =
        format!("text,{}", (0..150).map(|number| format!("c{number}")).collect::<Vec<_>>().join(","));
    let json = |lines: &str| (Format::JsonLines, lines.as_bytes().to_vec());
    let csv = |lines: &str| (Format::Csv, lines.as_bytes().to_vec());
    let table = [
        (json("{\"text\":\"a\"}\n\nnonsense"), "/3"),
        (json("[\"a\"]"), "/1"),
        (json("{\"text\":\"a\"} {\"text\":\"b\"}"), "/1"),
        (json("{\"text\":\"a\",}"), "/1"),
        (json("{\"text\":\"a\""), "/1"),
        (json("{\"text\":\"\\ud800\"}"), "/1"),
        (json("{}"), "/1/text"),
        (json("{\"text\":null}"), "/1/text"),
        (json("{\"text\":\" \\t\"}"), "/1/text"),
        (json("{\"text\":5}"), "/1/text"),
        (json("{\"text\":\"a\",\"text\":\"b\"}"), "/1"),
        (json("{\"text\":\"a\",\"te/xt\":\"b\"}"), "/1/te~1xt"),
        (json("{\"text\":\"a\",\"text_pair\":\"\"}"), "/1/text_pair"),
        (json("{\"text\":\"a\",\"label\":1.0}"), "/1/label"),
        (json("{\"text\":\"a\",\"label\":\"\"}"), "/1/label"),
        (json("{\"text\":\"a\",\"label\":[1]}"), "/1/label"),
        (json(&long_label), "/1/label"),
        (json("{\"text\":\"a\",\"metadata\":[]}"), "/1/metadata"),
        (json("{\"text\":\"a\",\"metadata\":{\"x\":{}}}"), "/1/metadata/x"),
        (json("{\"text\":\"a\",\"metadata\":{\"x\":1,\"x\":null}}"), "/1/metadata"),
        (json("{\"text\":\"a\",\"metadata\":{\"\":1}}"), "/1/metadata"),
        (json(&long_key), "/1/metadata"),
        (json(&huge_line), "/2"),
        ((Format::JsonLines, b"{\"text\":\"caf\xe9\"}".to_vec()), "/1"),
        (csv("label\nx"), "/1/text"),
        (csv("text,label,text\n"), "/1/text"),
        (csv(",text\n0,a"), "/1"),
        (csv(&columns), "/1"),
        (csv("text,label\na,b\nc\n"), "/3"),
        (csv("text,label\na,b,c\n"), "/2"),
        (csv("text,label\n\"a\nb\",x\n ,y"), "/4/text"),
        (csv("text,text_pair\na, \n"), "/2/text_pair"),
        (csv("text\n\"a\nb"), "/2"),
        (csv(&huge_field), "/2"),
        ((Format::Csv, b"text\ncaf\xe9\n".to_vec()), "/2"),
        // Side by side, the two halves of a character are none.
        ((Format::Csv, b"text,label\na\xc3,\xa9\n".to_vec()), "/2"),
    ];
    for ((format, bytes), pointer) in table {
        let shown: String = String::from_utf8_lossy(&bytes).chars().take(60).collect();
        let fault = read(format, &bytes, 1000).expect_err(&shown);
        assert_eq!(fault.pointer(), pointer, "{shown}: {fault}");
        assert!(!fault.remedy.is_empty() && fault.to_string().starts_with("line "), "{shown}: {fault}");
    }
}

#[test]
fn rows_and_keys_are_counted_up_to_their_limits() {
    let row = |line, row| Numbered { line, row };
    let text = || Row { text: "a".into(), ..Row::default() };
    let mut tally = Tally::new();
    for line in 1..=MOST_ROWS {
        tally.add(&row(line, text())).unwrap();
    }
    assert_eq!(tally.add(&row(MOST_ROWS + 1, text())).unwrap_err().pointer(), "/1000001");
    let keyed = |key: usize| {
        let metadata = BTreeMap::from([(format!("key {key}"), Scalar::Boolean(true))]);
        Row { metadata, label: Some(format!("label {key}")), ..text() }
    };
    let mut tally = Tally::new();
    for key in 0..MOST_METADATA_KEYS {
        tally.add(&row(1, keyed(key))).unwrap();
    }
    assert_eq!(tally.add(&row(7, keyed(MOST_METADATA_KEYS))).unwrap_err().pointer(), "/7/metadata");
    let more = Row { label: Some("one more".into()), ..text() };
    tally.add(&row(8, more)).unwrap();
    let (_, summary) = tally.finish().unwrap();
    assert_eq!((summary.labels, summary.metadata.len()), (None, MOST_METADATA_KEYS));
    assert!(Tally::new().finish().unwrap_err().to_string().contains("no rows"));
}

#[test]
fn the_set_that_comes_with_the_program_is_whole() {
    let reference = reference().unwrap();
    assert_eq!((reference.dataset.rows, reference.rows.len()), (691, 691));
    let labels = reference.dataset.summary.labels.as_ref().unwrap();
    let counted: Vec<_> = labels.iter().map(|label| (label.label.as_str(), label.rows)).collect();
    assert_eq!(counted, [("negative", 329), ("positive", 362)]);
    assert!(reference.dataset.source.unwrap().contains("CC BY 4.0"));
}
