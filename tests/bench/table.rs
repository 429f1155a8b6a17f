//! The figures for people: a line a round, then each bar beside what was reached.

use super::figures::Figures;

/// What is wanted of the figures of a load.
struct Bar {
    load: &'static str,
    what: &'static str,
    figure: fn(&Figures) -> Option<f64>,
    bound: Bound,
}

/// What a figure may be.
enum Bound {
    AtLeast(f64),
    AtMost(f64),
    /// So many times what it is for another load.
    Times(f64, &'static str),
}

const BARS: &[Bar] = &[
    Bar { load: "fan-out-2000", what: "ratio to bare pods", figure: |it| it.ratio, bound: Bound::AtLeast(0.75) },
    Bar { load: "chain-50", what: "edge p50, ms", figure: |it| it.edge_p50_ms, bound: Bound::AtMost(30.0) },
    Bar { load: "chain-50", what: "edge p99, ms", figure: |it| it.edge_p99_ms, bound: Bound::AtMost(100.0) },
    Bar { load: "fan-out-500", what: "writes a task", figure: |it| it.writes_per_task, bound: Bound::AtMost(3.2) },
    Bar { load: "fan-out-2000", what: "writes a task", figure: |it| it.writes_per_task, bound: Bound::AtMost(3.2) },
    Bar { load: "diamonds-200", what: "writes a task", figure: |it| it.writes_per_task, bound: Bound::AtMost(3.5) },
    Bar {
        load: "fan-out-2000",
        what: "operator CPU a task, ms",
        figure: |it| it.cpu_ms_per_task,
        bound: Bound::AtMost(1.5),
    },
    Bar {
        load: "items-2000",
        what: "operator CPU a task, ms",
        figure: |it| it.cpu_ms_per_task,
        bound: Bound::AtMost(1.5),
    },
    Bar {
        load: "items-10000",
        what: "operator CPU a task, ms",
        figure: |it| it.cpu_ms_per_task,
        bound: Bound::AtMost(1.5),
    },
    Bar { load: "live-10000", what: "peak memory, MB", figure: |it| it.peak_memory_mb, bound: Bound::AtMost(80.0) },
    Bar {
        load: "items-10000",
        what: "bytes a transition",
        figure: |it| it.bytes_per_transition,
        bound: Bound::Times(2.0, "items-100"),
    },
    Bar {
        load: "items-20000",
        what: "largest status, KiB",
        figure: |it| it.largest_status_kb,
        bound: Bound::AtMost(64.0),
    },
    Bar {
        load: "items-20000",
        what: "largest object, KiB",
        figure: |it| it.largest_object_kb,
        bound: Bound::AtMost(256.0),
    },
    Bar { load: "restart-2000", what: "restart, s", figure: |it| it.restart_seconds, bound: Bound::AtMost(5.0) },
    Bar { load: "live-10000", what: "restart, s", figure: |it| it.restart_seconds, bound: Bound::AtMost(5.0) },
];

/// The heads of the columns, each with its figure and how many digits it has after the point.
type Column = (&'static str, fn(&Figures) -> Option<f64>, usize);
const COLUMNS: &[Column] = &[
    ("s", |it| Some(it.seconds), 1),
    ("tasks/s", |it| Some(it.tasks_per_second), 1),
    ("ratio", |it| it.ratio, 2),
    ("edge p50", |it| it.edge_p50_ms, 1),
    ("p99 ms", |it| it.edge_p99_ms, 1),
    ("writes", |it| it.writes_per_task, 2),
    ("clean-up", |it| it.clean_up_per_task, 2),
    ("CPU ms", |it| it.cpu_ms_per_task, 2),
    ("cluster", |it| Some(it.cluster_cpu_ms_per_task), 1),
    ("peak MB", |it| it.peak_memory_mb, 1),
    ("B/trans.", |it| it.bytes_per_transition, 0),
    ("status K", |it| it.largest_status_kb, 1),
    ("object K", |it| it.largest_object_kb, 1),
    ("restart s", |it| it.restart_seconds, 2),
    ("load", |it| Some(it.load_average), 1),
];

/// The heads of the table.
pub fn head() -> String {
    let columns: Vec<String> = COLUMNS.iter().map(|(name, ..)| format!("{name:>9}")).collect();
    format!("{:14}{}", "round", columns.join(""))
}

/// A round as a line.
pub fn line(figures: &Figures) -> String {
    if let Some(problem) = figures.problem.as_ref().filter(|_| figures.tasks == 0) {
        return format!("{:14}  NOT DONE: {problem}", figures.load);
    }
    let columns: Vec<String> = COLUMNS.iter().map(|(_, of, digits)| cell(of(figures), *digits)).collect();
    let wrong = figures.problem.as_ref().map(|problem| format!("  WRONG: {problem}")).unwrap_or_default();
    format!("{:14}{}{wrong}", figures.load, columns.join(""))
}

fn cell(figure: Option<f64>, digits: usize) -> String {
    figure.map_or_else(|| format!("{:>9}", "-"), |figure| format!("{figure:9.digits$}"))
}

/// Each bar of a load that was played, beside its figure.
pub fn bars(all: &[Figures]) -> String {
    let find = |load: &str| all.iter().find(|it| it.load == load && it.problem.is_none());
    let mut lines = vec![format!("{:14} {:26}{:>12}{:>12}", "round", "bar", "wanted", "reached")];
    for bar in BARS {
        let Some(reached) = find(bar.load).and_then(bar.figure) else { continue };
        let (wanted, is_met) = match bar.bound {
            Bound::AtLeast(bound) => (format!("≥ {bound}"), reached >= bound),
            Bound::AtMost(bound) => (format!("≤ {bound}"), reached <= bound),
            Bound::Times(times, load) => {
                let Some(other) = find(load).and_then(bar.figure) else { continue };
                (format!("≤ {:.0}", other * times), reached <= other * times)
            }
        };
        lines.push(format!(
            "{:14} {:26}{wanted:>12}{reached:12.2}{}",
            bar.load,
            bar.what,
            if is_met { "" } else { "  missed" }
        ));
    }
    lines.join("\n")
}
