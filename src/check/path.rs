//! Paths as problems write them, and where in a document they lead.

use super::tree::{Data, Id, Span, Tree};
use crate::plan::segment;

/// The path of an entry.
pub(super) fn child(path: &str, key: &str) -> String {
    let segment = segment(key);
    // A path begins without a dot.
    if path.is_empty() { segment.strip_prefix('.').unwrap_or(&segment).to_owned() } else { format!("{path}{segment}") }
}

/// The path of an item.
pub(super) fn item(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

/// The path itself and those of all that it is within, but the root's.
pub(super) fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    let borders = path.match_indices(['.', '[']).map(|(at, _)| at).chain([path.len()]);
    borders.filter_map(|at| path.get(..at))
}

/// Where `path` leads from a value that stands at `from`. What it leads to may not be there: then the place is that of the
/// nearest there is around it, as a missing `image` is a mistake of its task.
pub(super) fn locate(tree: &Tree<'_>, root: Id, from: Span, path: &str) -> Span {
    let (at, span, rest) = walk(tree, root, from, path);
    // A scalar is pointed at itself; of what holds others, its name tells more than its first line.
    match &tree.get(at).data {
        _ if !rest.is_empty() => span,
        Data::List(_) | Data::Map(_) => span,
        _ => tree.mark(at),
    }
}

/// The same, of the name of what it leads to.
pub(super) fn locate_name(tree: &Tree<'_>, root: Id, from: Span, path: &str) -> Span {
    walk(tree, root, from, path).1
}

/// As far as a path leads: the value, the place of its name, and the rest.
fn walk<'p>(tree: &Tree<'_>, root: Id, from: Span, path: &'p str) -> (Id, Span, &'p str) {
    let (mut at, mut span, mut rest) = (root, from, path);
    while let Some((next, place, left)) = step(tree, at, rest) {
        (at, span, rest) = (next, place, left);
    }
    (at, span, rest)
}

/// One step along a path: the value, the place of its name, and the rest.
fn step<'p>(tree: &Tree<'_>, at: Id, path: &'p str) -> Option<(Id, Span, &'p str)> {
    match &tree.get(at).data {
        Data::List(items) => {
            let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
            let item = *items.get(index.parse::<usize>().ok()?)?;
            Some((item, tree.mark(item), rest))
        }
        Data::Map(entries) => {
            let found = entries.iter().find_map(|entry| {
                let segment = segment(&entry.key);
                let rest = path
                    .strip_prefix(&segment)
                    .or_else(|| path.strip_prefix(segment.strip_prefix('.').unwrap_or(&segment)))?;
                (rest.is_empty() || rest.starts_with(['.', '['])).then_some((entry, rest))
            });
            let (entry, rest) = found?;
            Some((entry.value, entry.span, rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::super::text::Lines;
    use super::*;

    #[test]
    fn paths_are_written_as_the_plan_writes_them() {
        assert_eq!(child("", "spec"), "spec");
        assert_eq!(child("spec", "tasks"), "spec.tasks");
        assert_eq!(child("a", "nvidia.com/gpu"), "a['nvidia.com/gpu']");
        assert_eq!(item("spec.tasks", 3), "spec.tasks[3]");
    }

    #[test]
    fn what_a_path_is_within() {
        assert_eq!(ancestors("a.b[0].c").collect::<Vec<_>>(), ["a", "a.b", "a.b[0]", "a.b[0].c"]);
    }

    #[test]
    fn a_path_leads_to_a_scalar_a_name_or_what_is_around() {
        let text = "spec:\n  tasks:\n  - name: a\n    limits: {nvidia.com/gpu: 1}\n  - {name: b}\n";
        let lines = Lines::new(text);
        let file = parse::parse(text, &lines);
        let root = file.documents.first().expect("a document").root;
        for (path, expected) in [
            ("spec.tasks[0].name", "a"),
            ("spec.tasks[0].limits['nvidia.com/gpu']", "1"),
            ("spec.tasks[0].limits", "limits"),
            ("spec.tasks[0].limits.cpu", "limits"),
            ("spec.tasks[0]", "name"),
            ("spec.tasks[0].image", "name"),
            ("spec.tasks[1].image", "{"),
            ("spec.tasks[7].image", "tasks"),
            ("spec.task", "spec"),
            ("other", ""),
        ] {
            let span = locate(&file.tree, root, Span::default(), path);
            assert_eq!(text.get(span.start..span.end), Some(expected), "{path}");
        }
    }
}
