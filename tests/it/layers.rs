//! The pure parts stay pure, and nobody looks upwards: every invariant is a test.

use std::path::{Path, PathBuf};

/// A folder of `src`, what it may use of this crate, and words that must not appear in it.
struct Layer {
    name: &'static str,
    may_use: &'static [&'static str],
    pure: bool,
}

const LAYERS: &[Layer] = &[
    Layer { name: "api", may_use: &["api"], pure: false },
    Layer { name: "plan", may_use: &["api", "mutant", "plan"], pure: true },
    Layer { name: "check", may_use: &["api", "plan", "check"], pure: true },
    Layer { name: "engine", may_use: &["api", "mutant", "plan", "engine"], pure: true },
    Layer { name: "describe", may_use: &["api", "plan", "engine", "describe"], pure: true },
    Layer { name: "pods", may_use: &["api", "mutant", "plan", "engine", "pods"], pure: true },
    Layer { name: "objects", may_use: &["api", "mutant", "plan", "engine", "pods", "objects"], pure: true },
    Layer {
        name: "controller",
        may_use: &["api", "mutant", "plan", "engine", "pods", "objects", "lease", "controller"],
        pure: false,
    },
];

/// I/O, clocks, chance, random order.
const IMPURE: &[&str] = &[
    "Timestamp::now",
    "SystemTime",
    "Instant::",
    "HashMap",
    "HashSet",
    "tokio",
    "async fn",
    "kube::Client",
    "std::fs",
    "std::env",
    "std::net",
    "rand::",
    "RandomState",
    "thread::spawn",
    "println!",
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The lines of a file that are code of the program: no comments, and nothing from its test module on.
fn code(path: &Path) -> Vec<(usize, String)> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let beside = std::fs::read_to_string(path.with_file_name("mod.rs")).unwrap_or_default();
    let is_test_file = beside.contains(&format!("#[cfg(test)]\nmod {stem};"))
        || stem.ends_with("tests")
        || path.components().any(|it| it.as_os_str() == "tests");
    if is_test_file {
        return Vec::new();
    }
    let text = std::fs::read_to_string(path).unwrap();
    let body = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    body.lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default().to_owned()))
        .collect()
}

#[test]
fn every_layer_uses_only_those_below_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    let mut found = 0;
    for layer in LAYERS {
        let files = sources(&root.join(layer.name));
        assert!(!files.is_empty(), "src/{} is empty", layer.name);
        for file in files {
            for (number, line) in code(&file) {
                for (at, _) in line.match_indices("crate::") {
                    let used: String =
                        line[at + "crate::".len()..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                    found += 1;
                    if !layer.may_use.contains(&used.as_str()) {
                        wrong.push(format!("{}:{number}: {} may not use {used}", file.display(), layer.name));
                    }
                }
            }
        }
    }
    assert!(found > 50, "the test looks at nothing: only {found} paths found");
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_pure_layers_do_no_io_and_know_no_clock() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for layer in LAYERS.iter().filter(|layer| layer.pure) {
        let head = std::fs::read_to_string(root.join(layer.name).join("mod.rs")).unwrap();
        for lint in
            ["unwrap_used", "expect_used", "panic", "indexing_slicing", "arithmetic_side_effects", "string_slice"]
        {
            assert!(head.contains(&format!("clippy::{lint}")), "src/{}/mod.rs doesn't deny {lint}", layer.name);
        }
        for file in sources(&root.join(layer.name)) {
            for (number, line) in code(&file) {
                for word in IMPURE.iter().filter(|word| line.contains(**word)) {
                    wrong.push(format!("{}:{number}: {word}", file.display()));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn only_the_shell_knows_a_client_or_tokio() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let shell = ["controller", "app.rs", "lease.rs", "main.rs", "telemetry.rs"];
    for file in sources(&root) {
        let inside = file.strip_prefix(&root).unwrap();
        let first = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        if shell.contains(&first.as_str()) {
            continue;
        }
        for (number, line) in code(&file) {
            let known =
                ["tokio::", "kube::Client", "kube::Api", "kube::runtime"].iter().any(|word| line.contains(word));
            assert!(!known, "{}:{number}: {line}", file.display());
        }
    }
}
