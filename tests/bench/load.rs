//! What is run: each load by its name, the workflow and runs that make it, and what must have come of it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use gantline::plan::pod_name;
use serde_json::{Value, json};

/// The workflow that every load makes runs of.
pub const WORKFLOW: &str = "load";
/// Tasks of a layer.
const WIDTH: usize = 100;
/// Items that a run of [`Shape::Live`] keeps alive.
const LIVE: usize = 500;
/// What each item and each source of a diamond hands on.
const VALUE: usize = 7;

/// The shape of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Bare pods, made by a controller that does nothing else.
    Bare,
    /// Tasks that need nothing.
    FanOut,
    /// Items of one task, and a task that reads what they hand on.
    Items,
    /// The same, with the operator killed half way.
    Restart,
    /// Tasks of which each needs the one before.
    Chain,
    /// Runs of ten tasks at once: a source, eight in the middle, and one that needs those.
    Diamonds,
    /// Layers of tasks that each need two of the layer before.
    Layers,
    /// Items whose pods go on until the end, and an operator that finds them so.
    Live,
}

const SHAPES: [(&str, Shape); 8] = [
    ("bare", Shape::Bare),
    ("fan-out", Shape::FanOut),
    ("items", Shape::Items),
    ("restart", Shape::Restart),
    ("chain", Shape::Chain),
    ("diamonds", Shape::Diamonds),
    ("layers", Shape::Layers),
    ("live", Shape::Live),
];

/// A shape and its size, written `items-2000`. The size of diamonds is the number of runs, of all else the number of tasks or items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    pub shape: Shape,
    pub size: usize,
}

impl FromStr for Load {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.rsplit_once('-').and_then(|(name, size)| {
            let shape = SHAPES.iter().find(|(known, _)| *known == name)?.1;
            Some(Self { shape, size: size.parse().ok().filter(|size| *size > 0)? })
        });
        let shapes = SHAPES.map(|(name, _)| name).join(", ");
        parsed.ok_or_else(|| format!("`{text}` is no load: write one of {shapes}, a dash, and a number"))
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = SHAPES.iter().find(|(_, shape)| *shape == self.shape).map_or("", |(name, _)| name);
        write!(f, "{name}-{}", self.size)
    }
}

impl Load {
    /// How many runs it is.
    pub fn runs(self) -> usize {
        match self.shape {
            Shape::Diamonds => self.size,
            Shape::Live => self.size.div_ceil(LIVE),
            _ => 1,
        }
    }

    /// How many pods each run has.
    pub fn pods(self) -> usize {
        match self.shape {
            Shape::Diamonds => 10,
            Shape::Live => LIVE.min(self.size),
            Shape::Items | Shape::Restart => self.size + 1,
            _ => self.size,
        }
    }

    /// The name of a run.
    pub fn run(number: usize) -> String {
        format!("r{number}")
    }

    /// The spec of the workflow.
    pub fn spec(self) -> Value {
        json!({ "taskDefaults": { "image": "fake", "podTemplate": template(&[]) }, "tasks": self.tasks() })
    }

    /// The tasks as the spec has them; most are no more than a name and what they need.
    fn tasks(self) -> Vec<Value> {
        let task = |name: String, needs: Vec<String>| json!({ "name": name, "needs": needs });
        match self.shape {
            Shape::Bare | Shape::FanOut => (0..self.size).map(|i| task(format!("t{i}"), Vec::new())).collect(),
            Shape::Chain => (0..self.size)
                .map(|i| task(format!("t{i}"), i.checked_sub(1).map(|i| format!("t{i}")).into_iter().collect()))
                .collect(),
            Shape::Layers => (0..self.size)
                .map(|i| {
                    let above = |i: usize| format!("t{}", i - WIDTH);
                    let next = if (i + 1).is_multiple_of(WIDTH) { i + 1 - WIDTH } else { i + 1 };
                    task(format!("t{i}"), if i < WIDTH { Vec::new() } else { vec![above(i), above(next)] })
                })
                .collect(),
            Shape::Diamonds => {
                let mut tasks = vec![source(json!({ "name": "a" }))];
                tasks.extend((0..8).map(|i| task(format!("m{i}"), vec!["a".to_owned()])));
                let mut sink = task("z".to_owned(), (0..8).map(|i| format!("m{i}")).chain(["a".to_owned()]).collect());
                sink["env"] = json!([{ "name": "TOLD", "expr": "tasks.a.outputs.value" }]);
                tasks.push(sink);
                tasks
            }
            Shape::Items | Shape::Restart => {
                let items = json!({ "items": format!("lists.range({})", self.size) });
                let last = self.size - 1;
                let told = format!("size(tasks.f.outputs.value) + tasks.f.outputs.value[{last}]");
                vec![
                    source(json!({ "name": "f", "forEach": items })),
                    json!({ "name": "z", "needs": ["f"], "env": [{ "name": "TOLD", "expr": told }] }),
                ]
            }
            Shape::Live => {
                let items = json!({ "items": format!("lists.range({})", self.pods()) });
                let endless = template(&[("fake/delay", "24h")]);
                vec![json!({ "name": "f", "forEach": items, "podTemplate": endless })]
            }
        }
    }

    /// The task whose pod tells in its variable `TOLD` what it was handed, and what that must be.
    pub fn told(self) -> Option<(&'static str, String)> {
        match self.shape {
            Shape::Items | Shape::Restart => Some(("z", (self.size + VALUE).to_string())),
            Shape::Diamonds => Some(("z", VALUE.to_string())),
            _ => None,
        }
    }

    /// What each pod of a run is for, by its name: its task.
    pub fn expected(self, run: &str, uid: &str) -> BTreeMap<String, String> {
        let of = |task: &str, item: Option<u32>| (pod_name(run, uid, task, item, 1), task.to_owned());
        let items = |count: usize| (0..u32::try_from(count).unwrap_or(u32::MAX)).map(|item| of("f", Some(item)));
        match self.shape {
            Shape::Items | Shape::Restart => items(self.size).chain([of("z", None)]).collect(),
            Shape::Live => items(self.pods()).collect(),
            _ => self.tasks().iter().filter_map(|task| task["name"].as_str()).map(|name| of(name, None)).collect(),
        }
    }

    /// What each task needs. A task with items is as late as its last one.
    pub fn needs(self) -> BTreeMap<String, Vec<String>> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let needs = |task: &Value| task["needs"].as_array().into_iter().flatten().map(text).collect();
        self.tasks().iter().map(|task| (text(&task["name"]), needs(task))).collect()
    }
}

/// A task that hands on a value.
fn source(mut task: Value) -> Value {
    task["outputs"] = json!([{ "name": "value", "type": "int" }]);
    task["podTemplate"] = template(&[("fake/message", &format!("value={VALUE}"))]);
    task
}

/// The part of a pod that brings it to fake nodes and says how it ends: at once, unless an annotation says otherwise. See
/// `tests/cluster/stages.yaml`.
fn template(annotations: &[(&str, &str)]) -> Value {
    let annotations: BTreeMap<&str, &str> = annotations.iter().copied().collect();
    json!({ "metadata": { "annotations": annotations }, "spec": { "nodeSelector": { "type": "kwok" } } })
}
