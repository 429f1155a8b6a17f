//! Which transitions are legal. Every other is refused, never written, and reported.

use crate::api::{RunPhase, TaskPhase};

/// Whether a task may go from one phase to another.
///
/// Watch events collapse, so a pod may be seen ended that was never seen running; what has ended stays.
pub(super) const fn task_may(from: TaskPhase, to: TaskPhase) -> bool {
    use TaskPhase::{
        Backoff, Cancelled, Failed, Pending, Running, Skipped, Starting, Stopping, Succeeded, UpstreamFailed,
    };
    match from {
        // A join succeeds without ever starting.
        Pending => matches!(to, Starting | Succeeded | Failed | Skipped | UpstreamFailed | Cancelled),
        Starting => matches!(to, Running | Stopping | Backoff | Succeeded | Failed | Cancelled),
        Running => matches!(to, Stopping | Backoff | Succeeded | Failed | Cancelled),
        Stopping => matches!(to, Backoff | Succeeded | Failed | Cancelled),
        Backoff => matches!(to, Starting | Failed | Cancelled),
        Succeeded | Failed | Skipped | UpstreamFailed | Cancelled => false,
    }
}

/// Whether a run may go from one phase to another.
pub(super) const fn run_may(from: RunPhase, to: RunPhase) -> bool {
    use RunPhase::{Cancelled, Failed, Pending, Queued, Running, Stopping, Succeeded, Suspended};
    match from {
        Pending => matches!(to, Queued | Running | Suspended | Failed | Cancelled),
        Queued => matches!(to, Running | Failed | Cancelled),
        Running => matches!(to, Suspended | Stopping | Succeeded | Failed | Cancelled),
        Suspended => matches!(to, Running | Stopping | Succeeded | Failed | Cancelled),
        Stopping => matches!(to, Failed | Cancelled),
        Succeeded | Failed | Cancelled => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole law as a picture: a row is the phase left, a column the phase entered.
    fn table<P: Copy + std::fmt::Debug>(all: &[P], may: impl Fn(P, P) -> bool) -> String {
        let row = |from: P| all.iter().map(|to| if may(from, *to) { 'x' } else { '.' }).collect::<String>();
        let rows: Vec<String> = all.iter().map(|from| format!("{:<15}{}\n", format!("{from:?}"), row(*from))).collect();
        rows.concat()
    }

    #[test]
    fn every_transition_of_a_task() {
        // columns:  Pending, Starting, Running, Stopping, Backoff, Succeeded, Failed, Skipped, UpstreamFailed, Cancelled
        let law = "\
Pending        .x...xxxxx
Starting       ..xxxxx..x
Running        ...xxxx..x
Stopping       ....xxx..x
Backoff        .x....x..x
Succeeded      ..........
Failed         ..........
Skipped        ..........
UpstreamFailed ..........
Cancelled      ..........
";
        assert_eq!(table(&TaskPhase::ALL, task_may), law);
    }

    #[test]
    fn every_transition_of_a_run() {
        // columns:    Pending, Queued, Running, Suspended, Stopping, Succeeded, Failed, Cancelled
        let law = "\
Pending        .xxx..xx
Queued         ..x...xx
Running        ...xxxxx
Suspended      ..x.xxxx
Stopping       ......xx
Succeeded      ........
Failed         ........
Cancelled      ........
";
        assert_eq!(table(&RunPhase::ALL, run_may), law);
    }
}
