//! What an installed operator did, told by the audit log after the fact: `tests/installed` plays and then calls this.

use super::audited::Audited;

/// In all of its namespaces, which are gone by now.
#[test]
fn the_log_is_clean() {
    let namespaces = std::env::var("GANTLINE_NAMESPACES").expect("GANTLINE_NAMESPACES: call tests/installed");
    let audited = Audited::whole(namespaces.split_whitespace().map(str::to_owned).collect());
    assert!(audited.is_kept(), "GANTLINE_AUDIT_LOG: call tests/run");
    println!("figures: {}", audited.is_clean());
}
