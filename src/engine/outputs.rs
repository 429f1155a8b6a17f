//! Outputs.
use serde_json::{Map, Value};

use crate::api::{ItemType, OutputDecl, Reason, ValueType};

/// Whether a value is of a type.
///
/// # Errors
/// What it is instead.
pub fn matches_type(value: &Value, kind: ValueType, items: Option<ItemType>) -> Result<(), String> {
    let _ = (value, kind, items);
    Ok(())
}

/// Reads outputs.
///
/// # Errors
/// Why.
pub fn read(
    message: &str,
    declared: &[OutputDecl],
    containers: u32,
) -> Result<Map<String, Value>, (Reason, String)> {
    let _ = (message, declared, containers);
    Ok(Map::new())
}
