//! The letters and rows of a packed status, by the documentation of their fields (`kubectl explain workflowrun.status.packed`).

use std::collections::BTreeMap;

use gantline::api::{AttemptOutcome, TaskPhase};

/// What a letter tells of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Letter {
    pub phase: TaskPhase,
    /// Whether its `when` came to true before it began.
    pub when: bool,
    /// Whether its newest attempt is known to have been made.
    pub is_made: bool,
}

/// What a row tells of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The number of its newest attempt.
    pub number: u64,
    /// How many attempts of this generation before that failed, were disrupted before and after their start, and were not yet.
    pub before: [u64; 4],
    /// How the newest attempt ended, and for a disrupted one whether it had started.
    pub end: Option<(AttemptOutcome, bool)>,
    /// When the next attempt may start, in milliseconds.
    pub next_at: Option<i64>,
    /// When its totalTimeout is over, in milliseconds.
    pub deadline_at: Option<i64>,
    /// Why it is being stopped, where that isn't why all are.
    pub reason: Option<String>,
}

/// The letters of a text, so many; `None` where it isn't one of those.
pub fn letters(text: &str, total: usize) -> Option<Vec<Letter>> {
    let mut letters = Vec::new();
    let mut count = String::new();
    for letter in text.chars() {
        if letter.is_ascii_digit() {
            count.push(letter);
            continue;
        }
        let times = if count.is_empty() { 1 } else { count.parse().ok()? };
        count.clear();
        if times == 0 || letters.len() + times > total {
            return None;
        }
        letters.extend(std::iter::repeat_n(self::letter(letter)?, times));
    }
    (count.is_empty() && letters.len() == total).then_some(letters)
}

fn letter(letter: char) -> Option<Letter> {
    use TaskPhase::{
        Backoff, Cancelled, Failed, Pending, Running, Skipped, Starting, Stopping, Succeeded, UpstreamFailed,
    };
    let phase = match letter {
        'p' | 'w' => Pending,
        'i' | 'm' => Starting,
        'r' => Running,
        'z' | 'y' => Stopping,
        'b' => Backoff,
        's' => Succeeded,
        'f' => Failed,
        'k' => Skipped,
        'u' => UpstreamFailed,
        'c' => Cancelled,
        _ => return None,
    };
    Some(Letter { phase, when: letter == 'w', is_made: matches!(letter, 'm' | 'r' | 'z' | 'b') })
}

/// The rows of a text by index; `None` where it holds something else.
pub fn rows(text: &str) -> Option<BTreeMap<usize, Row>> {
    let mut rows = BTreeMap::new();
    for text in text.split(';').filter(|text| !text.is_empty()) {
        let mut fields = text.split(',');
        let mut number = || fields.next()?.parse::<u64>().ok();
        let (index, newest) = (usize::try_from(number()?).ok()?, number()?);
        let mut row = Row { number: newest, before: [number()?, number()?, number()?, number()?], ..Row::default() };
        for field in fields {
            match field {
                "F" => row.end = Some((AttemptOutcome::Failed, true)),
                "B" => row.end = Some((AttemptOutcome::Disrupted, false)),
                "A" => row.end = Some((AttemptOutcome::Disrupted, true)),
                "N" => row.end = Some((AttemptOutcome::NotYet, true)),
                "O" => row.end = Some((AttemptOutcome::Cancelled, true)),
                _ if field.starts_with(|letter: char| letter.is_ascii_uppercase()) => {
                    row.reason = Some(field.to_owned());
                }
                _ => match field.split_at_checked(1)? {
                    ("n", at) => row.next_at = Some(at.parse().ok()?),
                    ("d", at) => row.deadline_at = Some(at.parse().ok()?),
                    _ => return None,
                },
            }
        }
        if rows.insert(index, row).is_some() {
            return None;
        }
    }
    Some(rows)
}

#[test]
fn letters_are_read_by_their_documentation() {
    use TaskPhase::{Pending, Running, Starting, Succeeded};
    let phases = |text: &str, total| letters(text, total).map(|all| all.iter().map(|it| it.phase).collect::<Vec<_>>());
    assert_eq!(phases("2sr10p", 13), Some([vec![Succeeded, Succeeded, Running], vec![Pending; 10]].concat()));
    assert_eq!(phases("im", 2), Some(vec![Starting, Starting]));
    assert_eq!(
        letters("im", 2).map(|all| all.iter().map(|it| it.is_made).collect::<Vec<_>>()),
        Some(vec![false, true])
    );
    assert_eq!(letters("w", 1).map(|all| all[0].when), Some(true));
    for (text, total) in [("2s", 3), ("4s", 3), ("2", 0), ("x", 1), ("0s1p", 1)] {
        assert_eq!(phases(text, total), None, "{text}");
    }
}

#[test]
fn rows_are_read_by_their_documentation() {
    let found = rows("3,2,1,0,0,0,F,n1795327201120;17,9,1,2,3,4,d12;18,1,0,0,0,0,TimedOut").expect("rows");
    let row = |number, before| Row { number, before, ..Row::default() };
    let failed = Some((AttemptOutcome::Failed, true));
    assert_eq!(found[&3], Row { end: failed, next_at: Some(1_795_327_201_120), ..row(2, [1, 0, 0, 0]) });
    assert_eq!(found[&17], Row { deadline_at: Some(12), ..row(9, [1, 2, 3, 4]) });
    assert_eq!(found[&18], Row { reason: Some("TimedOut".to_owned()), ..row(1, [0; 4]) });
    assert_eq!(rows(""), Some(BTreeMap::new()));
    for text in ["x", "1,2", "1,1,0,0,0,0,x3", "1,1,0,0,0,0;1,1,0,0,0,0"] {
        assert_eq!(rows(text), None, "{text}");
    }
}
