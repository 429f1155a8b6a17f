//! What has attempts: a task, or an item of one.

/// A task, or an item of a task with `forEach`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Unit {
    /// Index of the task in the plan.
    pub(super) task: usize,
    /// Index of the item in its list.
    pub(super) item: Option<u32>,
}

impl From<usize> for Unit {
    fn from(task: usize) -> Self {
        Self { task, item: None }
    }
}

impl Unit {
    /// An item of a task.
    pub(super) const fn item(task: usize, item: u32) -> Self {
        Self { task, item: Some(item) }
    }

    /// As people write it: `transform`, `transform[3]`.
    pub(super) fn told(self, task: &str) -> String {
        self.item.map_or_else(|| task.to_owned(), |item| format!("{task}[{item}]"))
    }
}
