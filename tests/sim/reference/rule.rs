//! What a trigger rule makes of a task, by how those that it needs ended.

/// How a need ended, or the phase that it is in, and whether it has `allowFailure`.
pub(super) type Need<'a> = (&'a str, bool);

fn is_ok((phase, allowed): &Need<'_>) -> bool {
    *phase == "Succeeded" || *phase == "Failed" && *allowed
}

fn is_failed((phase, _): &Need<'_>) -> bool {
    matches!(*phase, "Failed" | "UpstreamFailed" | "Cancelled")
}

fn is_bad(need: &Need<'_>) -> bool {
    is_failed(need) && !is_ok(need)
}

/// Whether a need has come to an end.
pub(super) fn has_ended(need: &Need<'_>) -> bool {
    is_failed(need) || matches!(need.0, "Succeeded" | "Skipped")
}

/// Whether the rule lets a task run. What asks for one waits for no other; all else waits for all.
pub(super) fn lets_run(rule: &str, needs: &[Need<'_>]) -> bool {
    let any = |test: fn(&Need<'_>) -> bool| needs.iter().any(test);
    match rule {
        "AnySucceeded" => return any(is_ok),
        "AnyDone" => return any(|need| matches!(need.0, "Succeeded" | "Failed")),
        "AnyFailed" => return any(is_failed),
        _ => {}
    }
    needs.iter().all(has_ended)
        && match rule {
            "AllSucceeded" => needs.iter().all(is_ok),
            "NoneFailed" => !any(is_bad),
            "NoneFailedMinOneSucceeded" => !any(is_bad) && any(is_ok),
            "AllDone" => true,
            "AllDoneMinOneSucceeded" => any(is_ok),
            "NoneSkipped" => !any(|need| need.0 == "Skipped"),
            "AllSkipped" => needs.iter().all(|need| need.0 == "Skipped"),
            "AllFailed" => needs.iter().all(is_failed),
            other => panic!("there is no rule {other}"),
        }
}

/// Where a task ends that its rule doesn't let run.
pub(super) fn kept_from(rule: &str, needs: &[Need<'_>]) -> &'static str {
    let about_failures = matches!(rule, "AllFailed" | "AnyFailed");
    if needs.iter().any(is_bad) && !about_failures { "UpstreamFailed" } else { "Skipped" }
}
