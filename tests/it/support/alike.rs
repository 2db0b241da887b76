//! What documents show against what the server answers.

use serde_json::Value;

/// Equal but for the last digits of numbers, which differ between processors.
pub fn alike(shown: &Value, real: &Value) -> bool {
    match (shown, real) {
        (Value::Number(shown), Value::Number(real)) => {
            let (shown, real) = (shown.as_f64().unwrap(), real.as_f64().unwrap());
            (shown - real).abs() <= 1e-4 * shown.abs().max(1.0)
        }
        (Value::Array(shown), Value::Array(real)) => {
            shown.len() == real.len() && shown.iter().zip(real).all(|(shown, real)| alike(shown, real))
        }
        (Value::Object(shown), Value::Object(real)) => {
            shown.len() == real.len()
                && shown.iter().all(|(key, shown)| real.get(key).is_some_and(|real| alike(shown, real)))
        }
        (shown, real) => shown == real,
    }
}
