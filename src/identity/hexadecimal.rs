//! Ids as people and programs write them: 64 lower-case hexadecimal digits.

/// The bytes of 64 lower-case hexadecimal digits; none for anything else.
pub(super) fn read(text: &str) -> Option<[u8; 32]> {
    let lower_case = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let hash = lower_case.then(|| blake3::Hash::from_hex(text).ok()).flatten()?;
    Some(*hash.as_bytes())
}

/// The 64 digits of these bytes.
pub(super) fn written(bytes: [u8; 32]) -> String {
    blake3::Hash::from_bytes(bytes).to_hex().to_string()
}
