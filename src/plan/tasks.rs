//! All tasks of a spec in one list, as the plan and a run's status have them: first those of `tasks`, the main ones, then those of
//! `finally`. One list, since an attempt, a pod and a transition of a finally task are like any other's, and so is whoever reads
//! them; and since pods are named and labelled by their tasks, so that names are unique over both anyway.

use std::collections::BTreeMap;

use super::report::Path;
use crate::api::{Task, WorkflowSpec};

/// The tasks of a spec.
pub(super) struct Tasks<'a> {
    /// Every task, those of `finally` last.
    pub(super) all: Vec<&'a Task>,
    /// The index of each by its name; of tasks with one name, the first.
    pub(super) names: BTreeMap<&'a str, usize>,
    /// How many are not of `finally`.
    main: usize,
}

impl<'a> Tasks<'a> {
    pub(super) fn of(spec: &'a WorkflowSpec) -> Self {
        let all: Vec<&Task> = spec.tasks.iter().chain(&spec.finally).collect();
        let mut names = BTreeMap::new();
        for (index, task) in all.iter().enumerate() {
            names.entry(task.name.as_str()).or_insert(index);
        }
        Self { all, names, main: spec.tasks.len() }
    }

    /// Whether a task is one of `finally`.
    pub(super) const fn is_finally(&self, index: usize) -> bool {
        index >= self.main
    }

    /// Where a task stands in the spec: `tasks[2]`, `finally[0]`.
    pub(super) const fn path(&self, index: usize) -> Path<'static> {
        match index.checked_sub(self.main) {
            None => Path::Index(&Path::Root("tasks"), index),
            Some(index) => Path::Index(&Path::Root("finally"), index),
        }
    }
}
