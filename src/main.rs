//! The `gantline` command.
fn main() {}
