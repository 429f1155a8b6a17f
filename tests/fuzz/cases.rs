//! Runs a target over numbered cases.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::Write as _;
use std::time::{Duration, Instant};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

/// Changes that are tried to make a failing input smaller.
const SHRINK_STEPS: u32 = 2_000;
/// Bytes of a failing input that are printed.
const SHOWN: usize = 16 * 1024;
/// The most memory that the process may ever have had, in KiB, whatever it was fed. A guard against what grows without bound:
/// usual is less than a tenth of it.
const PEAK_KIB: u64 = 2 * 1024 * 1024;

/// How far an input got, in a word; or what law it breaks.
pub type Verdict = Result<&'static str, TestCaseError>;

/// How far the inputs of a target got.
pub struct Tally {
    target: &'static str,
    cases: u64,
    reached: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Asserts that at least so many of a hundred inputs got that far: a target whose inputs all stop at the door tests the door.
    pub fn at_least(&self, percent: u64, reached: &str) -> &Self {
        let count = self.reached.get(reached).copied().unwrap_or_default();
        // A case that is repeated alone says nothing about the others.
        let enough = self.cases < 100 || count * 100 >= self.cases * percent;
        assert!(enough, "{}: only {count} of {} cases are `{reached}`: {:?}", self.target, self.cases, self.reached);
        self
    }
}

/// Feeds a target: `cases` inputs, unless the environment asks for others.
///
/// # Panics
/// With the number of the case and the smallest input found, if an input breaks a law or makes the code under test panic.
pub fn fuzz<S: Strategy>(target: &'static str, cases: u64, inputs: &S, law: impl Fn(&S::Value) -> Verdict) -> Tally {
    let (from, asked) = (asked("FUZZ_FROM").unwrap_or(0), asked("FUZZ_CASES"));
    let limit = self::asked("FUZZ_SECONDS").map(Duration::from_secs);
    let trace = std::env::var_os("FUZZ_TRACE").is_some();
    let goes_on = |count: u64, time: Duration| match (limit, asked) {
        (Some(limit), _) => time < limit,
        (None, asked) => count < asked.unwrap_or(cases),
    };
    let reached = RefCell::new(BTreeMap::new());
    let (mut count, mut slowest) = (0, (Duration::ZERO, from));
    let started = Instant::now();
    while goes_on(count, started.elapsed()) {
        let case = from.wrapping_add(count);
        let config = Config { failure_persistence: None, max_shrink_iters: SHRINK_STEPS, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, rng(target, case));
        let tree = inputs.new_tree(&mut runner).expect("an input");
        if trace {
            // Past what the test harness captures, which an abort would take along.
            writeln!(std::io::stderr(), "{target}, case {case}: {}", shown(&tree.current())).expect("stderr");
        }
        let began = Instant::now();
        let outcome = runner.run_one(tree, |input| {
            *reached.borrow_mut().entry(law(&input)?).or_insert(0) += 1;
            Ok(())
        });
        slowest = slowest.max((began.elapsed(), case));
        match outcome {
            Ok(_) => {}
            Err(TestError::Fail(reason, input)) => panic!(
                "{target}, case {case}: {reason}\nagain: FUZZ_FROM={case} FUZZ_CASES=1 cargo test --test fuzz\n\
                 the smallest input found: {}",
                shown(&input)
            ),
            Err(TestError::Abort(reason)) => panic!("{target}, case {case}: {reason}"),
        }
        count += 1;
    }
    let reached = reached.into_inner();
    println!(
        "{target}: {count} cases in {:.1} s: {reached:?}; the slowest, {}, took {:.1} ms",
        started.elapsed().as_secs_f64(),
        slowest.1,
        slowest.0.as_secs_f64() * 1e3
    );
    let peak = peak_kib();
    assert!(peak < PEAK_KIB, "{target}: {peak} KiB of memory at the peak");
    Tally { target, cases: count, reached }
}

/// The number that the environment asks for.
fn asked(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// The chance of one case, by target and number.
fn rng(target: &str, case: u64) -> TestRng {
    let mut seed = [0; 32];
    let bytes = case.to_le_bytes().into_iter().chain(target.bytes());
    for (slot, byte) in seed.iter_mut().zip(bytes) {
        *slot = byte;
    }
    TestRng::from_seed(RngAlgorithm::ChaCha, &seed)
}

fn shown(input: &impl Debug) -> String {
    let mut text = format!("{input:#?}");
    if text.len() > SHOWN {
        text.truncate(text.floor_char_boundary(SHOWN));
        text.push('…');
    }
    text
}

/// The most memory that this process has had so far; 0 where nobody tells.
pub fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0)
}
