//! Which task needs which: names become indices, and indices an order in which each task comes after what it needs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use petgraph::algo::{kosaraju_scc, toposort};
use petgraph::graph::{DiGraph, NodeIndex};

use super::limits;
use super::problem::Code;
use super::report::Report;
use super::tasks::Tasks;
use super::words::{quote, suggestion};
use crate::api::Task;

/// Tasks of a cycle that are named.
const CYCLE_SHOWN: usize = 20;

/// The graph of a spec's tasks. Where the spec has mistakes it holds what could be understood.
pub(super) struct Graph {
    /// For each task the indices of those that it needs, ascending, each once.
    pub(super) needs: Vec<Vec<usize>>,
    /// Indices of tasks, each after all that it needs; none if there is a cycle.
    pub(super) order: Option<Vec<usize>>,
    /// For each task whether some of its needs were not understood.
    broken: Vec<bool>,
}

impl Graph {
    /// Reads the needs of all tasks; says what is wrong with them.
    pub(super) fn new(tasks: &Tasks<'_>, report: &mut Report) -> Self {
        let count = tasks.all.len();
        let mut graph = Graph { needs: Vec::with_capacity(count), order: None, broken: Vec::with_capacity(count) };
        // For each task the last one that was seen to need it: finds duplicates without a set for each task.
        let mut needed_by: Vec<Option<usize>> = vec![None; count];
        for (index, task) in tasks.all.iter().enumerate() {
            report.about(format!("task `{}`: ", quote(&task.name)));
            let before = report.len();
            let needs = resolve(index, task, tasks, &mut needed_by, report);
            graph.needs.push(needs);
            graph.broken.push(report.len() > before);
        }
        report.about_nothing();
        graph.sort(tasks, report);
        graph
    }

    fn sort(&mut self, tasks: &Tasks<'_>, report: &mut Report) {
        // Edges lead from a task to what it needs, so that the order, turned round, keeps that of the spec where it can.
        let edges = self.needs.iter().map(Vec::len).fold(0, usize::saturating_add);
        let mut graph = DiGraph::<(), ()>::with_capacity(tasks.all.len(), edges);
        let nodes: Vec<NodeIndex> = tasks.all.iter().map(|_| graph.add_node(())).collect();
        for (node, needs) in nodes.iter().zip(&self.needs) {
            for need in needs.iter().filter_map(|need| nodes.get(*need)) {
                graph.add_edge(*node, *need, ());
            }
        }
        if let Ok(order) = toposort(&graph, None) {
            let mut order: Vec<usize> = order.into_iter().rev().map(NodeIndex::index).collect();
            // No edge leads from one of these lists to the other, so that the order within each is what it was.
            order.sort_by_key(|index| tasks.is_finally(*index));
            self.order = Some(order);
            return;
        }
        let mut knots: Vec<BTreeSet<usize>> = kosaraju_scc(&graph)
            .into_iter()
            .filter(|knot| knot.len() > 1)
            .map(|knot| knot.into_iter().map(NodeIndex::index).collect())
            .collect();
        knots.sort_unstable();
        for knot in &knots {
            self.tell_cycle(knot, tasks, report);
        }
    }

    /// Names a shortest cycle through the first task of a knot: tasks that all reach one another.
    fn tell_cycle(&self, knot: &BTreeSet<usize>, tasks: &Tasks<'_>, report: &mut Report) {
        let cycle = self.cycle(knot);
        let name = |index: &usize| tasks.all.get(*index).map_or("", |task| task.name.as_str());
        let Some(first) = cycle.first() else {
            return;
        };
        // The need that leads into the cycle, which is the one to point at.
        let next = cycle.get(1).unwrap_or(first);
        let need = tasks.all.get(*first).and_then(|task| {
            let mut needs = task.needs.iter();
            needs.position(|need| tasks.names.get(need.as_str()) == Some(next))
        });
        let path = tasks.path(*first);
        let path = path.field("needs");
        report.add(Code::Cycle, &path.index(need.unwrap_or(0)), || {
            let hidden = cycle.len().saturating_sub(CYCLE_SHOWN);
            let shown = cycle.iter().take(CYCLE_SHOWN).map(name);
            let mut shown: Vec<&str> = shown.collect();
            let rest = format!("({hidden} more)");
            if hidden > 0 {
                shown.push(&rest);
            }
            shown.push(name(first));
            let cycle = shown.join(" -> ");
            format!(
                "the tasks need one another in a circle, so that none can start: {cycle}; remove one of these needs"
            )
        });
    }

    fn cycle(&self, knot: &BTreeSet<usize>) -> Vec<usize> {
        let Some(first) = knot.first() else {
            return Vec::new();
        };
        // Breadth first, so that the way found back is a shortest one. Each task with the one that led to it.
        let mut led: BTreeMap<usize, usize> = BTreeMap::new();
        let mut queue = VecDeque::from([*first]);
        while let Some(task) = queue.pop_front() {
            for need in self.needs.get(task).into_iter().flatten() {
                if need == first {
                    let mut cycle = vec![task];
                    let back = std::iter::successors(Some(task), |at| led.get(at).copied().filter(|_| at != first));
                    cycle.extend(back.skip(1));
                    cycle.reverse();
                    return cycle;
                }
                if knot.contains(need) && !led.contains_key(need) {
                    led.insert(*need, task);
                    queue.push_back(*need);
                }
            }
        }
        Vec::new()
    }

    /// Who is upstream of whom; none if there is a cycle.
    pub(super) fn upstream(&self) -> Option<Upstream> {
        let order = self.order.as_ref()?;
        let mut upstream = Upstream { rows: vec![Vec::new(); self.needs.len()], unclear: self.broken.clone() };
        let words = self.needs.len().div_ceil(Upstream::BITS);
        for task in order {
            let mut row = vec![0_u64; words];
            let mut unclear = false;
            // The last one first: it often has the others upstream, and then they are passed over.
            for need in self.needs.get(*task).into_iter().flatten().rev() {
                unclear |= upstream.is_unclear(*need);
                if !Upstream::bit(&row, *need) {
                    let above = upstream.rows.get(*need).map_or(&[][..], Vec::as_slice);
                    for (word, above) in row.iter_mut().zip(above) {
                        *word |= above;
                    }
                    Upstream::set(&mut row, *need);
                }
            }
            if let Some(place) = upstream.rows.get_mut(*task) {
                *place = row;
            }
            if let Some(place) = upstream.unclear.get_mut(*task) {
                *place |= unclear;
            }
        }
        Some(upstream)
    }
}

/// The indices of the tasks that `task` needs, as far as they can be understood.
fn resolve(
    index: usize,
    task: &Task,
    tasks: &Tasks<'_>,
    needed_by: &mut [Option<usize>],
    report: &mut Report,
) -> Vec<usize> {
    let path = tasks.path(index);
    let path = path.field("needs");
    if task.needs.len() > limits::NEEDS {
        report.add(Code::TooMany, &path, || {
            let (count, max) = (task.needs.len(), limits::NEEDS);
            format!("has {count} entries, {max} are allowed: put a task in between that gathers some")
        });
    }
    let mut needs = Vec::with_capacity(task.needs.len());
    for (at, need) in task.needs.iter().enumerate() {
        let path = path.index(at);
        let Some(known) = tasks.names.get(need.as_str()).copied() else {
            report.add(Code::UnknownNeed, &path, || {
                let others = tasks.names.iter().filter(|(name, other)| {
                    **name != task.name && tasks.is_finally(**other) == tasks.is_finally(index)
                });
                let others = others.map(|(name, _)| *name);
                let advice = suggestion(need, others);
                format!("needs `{}`, and there is no such task{advice}", quote(need))
            });
            continue;
        };
        // By name, since of two tasks with one name the first is meant.
        if known == index || *need == task.name {
            report.add(Code::SelfNeed, &path, || {
                "needs itself, so that it could never start: remove this need".to_owned()
            });
            continue;
        }
        if tasks.is_finally(known) != tasks.is_finally(index) {
            report.add(Code::NeedAcrossFinally, &path, || across(need, tasks.is_finally(index)));
            continue;
        }
        let Some(last) = needed_by.get_mut(known) else {
            continue;
        };
        if last.replace(index) == Some(index) {
            report.add(Code::DuplicateNeed, &path, || format!("needs `{}` twice: remove one", quote(need)));
            continue;
        }
        needs.push(known);
    }
    needs.sort_unstable();
    needs
}

/// What there is to say of a need that leads from one list of tasks to the other.
fn across(need: &str, from_finally: bool) -> String {
    let need = quote(need);
    if from_finally {
        format!(
            "needs `{need}`, which has ended anyway: a finally task starts once all tasks have, and may read each; remove this need"
        )
    } else {
        format!(
            "needs `{need}`, which is a finally task and starts once all tasks have ended: remove this need, or move this task to finally"
        )
    }
}

/// For each task all that it needs, directly or through others: a bit for each pair.
pub(super) struct Upstream {
    rows: Vec<Vec<u64>>,
    unclear: Vec<bool>,
}

impl Upstream {
    const BITS: usize = 64;

    /// Whether `task` needs `other`, directly or through others.
    pub(super) fn contains(&self, task: usize, other: usize) -> bool {
        self.rows.get(task).is_some_and(|row| Self::bit(row, other))
    }

    /// Whether some need of the task, or of one upstream, was not understood: then what is missing upstream is no
    /// mistake of its own.
    pub(super) fn is_unclear(&self, task: usize) -> bool {
        self.unclear.get(task).copied().unwrap_or(true)
    }

    fn bit(row: &[u64], index: usize) -> bool {
        let word = row.get(index / Self::BITS).copied().unwrap_or(0);
        word & Self::mask(index) != 0
    }

    fn set(row: &mut [u64], index: usize) {
        if let Some(word) = row.get_mut(index / Self::BITS) {
            *word |= Self::mask(index);
        }
    }

    fn mask(index: usize) -> u64 {
        u32::try_from(index % Self::BITS).map_or(0, |bit| 1_u64.wrapping_shl(bit))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{plan, refused};
    use super::*;

    /// A spec from needs: "a: b c, d:" is a task a that needs b and c, and a task d.
    fn spec(needs: &str) -> String {
        let tasks = needs.split(", ").map(|task| {
            let (name, needs) = task.split_once(':').expect("a colon");
            let needs: Vec<&str> = needs.split_whitespace().collect();
            let needs = needs.join(", ");
            format!("{{name: {name}, image: i, needs: [{needs}]}}")
        });
        format!("tasks: [{}]", tasks.collect::<Vec<String>>().join(", "))
    }

    #[test]
    #[rustfmt::skip]
    fn needs_that_cannot_be() {
        for (needs, code, path, message) in [
            ("load:, b: laod", Code::UnknownNeed, "tasks[1].needs[0]", "task `b`: needs `laod`, and there is no such task; did you mean `load`?"),
            ("load:, b: publish", Code::UnknownNeed, "tasks[1].needs[0]", "there is no such task"),
            ("a: a", Code::SelfNeed, "tasks[0].needs[0]", "task `a`: needs itself"),
            ("a:, b: a a", Code::DuplicateNeed, "tasks[1].needs[1]", "task `b`: needs `a` twice: remove one"),
            ("a: b, b: a", Code::Cycle, "tasks[0].needs[0]", "a -> b -> a; remove one of these needs"),
            ("z:, a: z b, b: c, c: a", Code::Cycle, "tasks[1].needs[1]", "a -> b -> c -> a"),
            ("a: c b, b: a, c: b", Code::Cycle, "tasks[0].needs[1]", "a -> b -> a"),
        ] {
            refused(&spec(needs), code, path, message);
        }
    }

    #[test]
    fn finally_tasks_need_one_another_and_nobody_else() {
        let spec = |main: &str, last: &str| {
            format!(
                "tasks: [{{name: a, image: i, needs: [{main}]}}]\nfinally: [{{name: x, image: i}}, {{name: y, image: i, needs: [{last}]}}]"
            )
        };
        let good = plan(&spec("", "x"));
        assert_eq!(good.order(), [0, 1, 2]);
        assert_eq!(good.tasks().iter().map(|task| task.finally).collect::<Vec<_>>(), [false, true, true]);
        assert_eq!(good.tasks()[2].needs, [1]);
        refused(
            &spec("x", ""),
            Code::NeedAcrossFinally,
            "tasks[0].needs[0]",
            "task `a`: needs `x`, which is a finally task",
        );
        refused(&spec("", "a"), Code::NeedAcrossFinally, "finally[1].needs[0]", "needs `a`, which has ended anyway");
        refused(&spec("", "y"), Code::SelfNeed, "finally[1].needs[0]", "task `y`: needs itself");
        refused(&spec("", "xx"), Code::UnknownNeed, "finally[1].needs[0]", "did you mean `x`?");
        let circle =
            "tasks: [{name: a, image: i}]\nfinally: [{name: x, image: i, needs: [y]}, {name: y, image: i, needs: [x]}]";
        refused(circle, Code::Cycle, "finally[0].needs[0]", "x -> y -> x");
    }

    #[test]
    fn finally_tasks_come_last_in_the_order() {
        let plan = plan(
            "taskDefaults: {image: i}\ntasks: [{name: a, needs: [c]}, {name: b}, {name: c}]\nfinally: [{name: x, needs: [y]}, {name: y}]",
        );
        assert_eq!(plan.order(), [2, 0, 1, 4, 3]);
    }

    #[test]
    fn each_knot_is_told_once() {
        let problems = super::super::testing::problems(&spec("a: b, b: a, c: a d, d: e, e: d"));
        let paths: Vec<&str> = problems.iter().map(|p| p.path.as_str()).collect();
        assert_eq!(paths, ["tasks[0].needs[0]", "tasks[3].needs[0]"]);
    }

    #[test]
    fn a_long_cycle_is_shortened() {
        let needs: Vec<String> = (0..100).map(|n| format!("t{n}: t{}", (n + 1) % 100)).collect();
        refused(&spec(&needs.join(", ")), Code::Cycle, "tasks[0].needs[0]", "t18 -> t19 -> (80 more) -> t0; remove");
    }

    #[test]
    fn the_order_is_that_of_the_spec_where_it_can_be() {
        let order = |needs| plan(&spec(needs)).order().to_vec();
        assert_eq!(order("a:, b:, c:"), [0, 1, 2]);
        assert_eq!(order("a:, b: a, c: a, d: b c"), [0, 1, 2, 3]);
        assert_eq!(order("d: b c, b: a, c: a, a:"), [3, 1, 2, 0]);
    }

    #[test]
    fn needs_are_ascending() {
        assert_eq!(plan(&spec("a:, b:, c: b a")).tasks()[2].needs, [0, 1]);
    }

    #[test]
    fn upstream_is_transitive_and_nothing_else() {
        let spec: crate::api::WorkflowSpec =
            serde_saphyr::from_str(&spec("a:, b: a, c: b, d: a, e: nobody, f: e")).expect("a spec");
        let mut report = Report::default();
        let graph = Graph::new(&Tasks::of(&spec), &mut report);
        let upstream = graph.upstream().expect("no cycle");
        let pairs: Vec<(usize, usize)> = (0..6)
            .flat_map(|task| (0..6).map(move |other| (task, other)))
            .filter(|(task, other)| upstream.contains(*task, *other))
            .collect();
        assert_eq!(pairs, [(1, 0), (2, 0), (2, 1), (3, 0), (5, 4)]);
        let unclear: Vec<usize> = (0..6).filter(|task| upstream.is_unclear(*task)).collect();
        assert_eq!(unclear, [4, 5], "what needs an unknown task is not judged");
    }
}
