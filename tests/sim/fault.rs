//! The faults that a schedule lists. Each says where it strikes and what it does; none is left to chance.
//!
//! Each has a textual form, so that a schedule is one line: `crash@w5:applied:2s` crashes the operator whose write is the fifth
//! of all, after the API server applied it, and starts it again two seconds later.

use std::fmt;

use crate::human::Human;

/// Milliseconds after which an operator gives up a write.
const GIVEN_UP: u64 = 5_000;

/// Requests are numbered apart by class, so that a lease that is renewed once more shifts no other number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A write to anything but a lease.
    Write,
    /// A read, one object or a list, of anything but a lease.
    Read,
    /// A read or write of a lease.
    Lease,
    /// The opening of a watch.
    Watch,
}

impl Class {
    const LETTERS: [(Self, char); 4] = [(Self::Write, 'w'), (Self::Read, 'r'), (Self::Lease, 'l'), (Self::Watch, 'h')];
}

/// The n-th request of a class, of all operators together, counted from 1 as they are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// The class.
    pub class: Class,
    /// The number.
    pub number: u32,
}

impl Point {
    /// The n-th write.
    pub const fn write(number: u32) -> Self {
        Self { class: Class::Write, number }
    }
}

/// How far a request got when its sender crashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Not sent at all.
    Before,
    /// Sent; it is applied only after the next process was started.
    Late,
    /// Applied; its answer met nobody.
    Applied,
    /// Answered, and the process lived on for a millisecond.
    Answered,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Before, Self::Late, Self::Applied, Self::Answered];

    const fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::Late => "late",
            Self::Applied => "applied",
            Self::Answered => "answered",
        }
    }
}

/// One fault. Times are in milliseconds; a moment is counted from the start of the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The sender of the request crashes and is started again after a while (F1, F2).
    Crash { at: Point, stage: Stage, downtime: u64 },
    /// The sender is asked to stop in good order, and is started again a while after it did (F15).
    Stop { at: Point, downtime: u64 },
    /// The request is answered by this error; a 5xx may come after it took effect (F4).
    Answer { at: Point, code: u16, applied: bool },
    /// The answer never comes (F4).
    Lost { at: Point, applied: bool },
    /// The connection breaks (F4).
    Reset { at: Point, applied: bool },
    /// The request stays on the way for so long, whatever becomes of its sender (F11).
    Late { at: Point, by: u64 },
    /// The sender is frozen. Held: the request leaves when it thaws; the process was stopped between asking for leave to write
    /// and writing. Otherwise it is stopped after sending (F11).
    Freeze { at: Point, held: bool, length: u64 },
    /// The network between the sender and the API server is down for so long. Requests, answers and watch events get through when it is
    /// up again, but for those that nobody waits for any more; the process lives on, and its lease runs out (F4, F8).
    Apart { at: Point, length: u64 },
    /// Watches of this resource show nothing between this moment and so much later (F5, F8).
    Lag { resource: String, from: u64, by: u64 },
    /// The same for those operators that don't lead at this moment: whoever does sees everything (F5, F8).
    Deaf { resource: String, from: u64, by: u64 },
    /// Every watch of this resource that a restarted operator opens shows nothing for so long after its first list (F3). The list
    /// itself is what it is: the default list of the watcher is a quorum read, which is never stale.
    Blind { resource: String, by: u64 },
    /// The watch that is about to deliver the n-th event ends instead (F8).
    Cut { event: u32 },
    /// It falls silent, as a connection does that something on the way forgot (F8).
    Mute { event: u32 },
    /// It ends, and the API server forgot all history: the watch can't be resumed (F7, F8).
    Gone { event: u32 },
    /// The event is delivered twice (F8).
    Twice { event: u32 },
    /// From this moment on the wall clock of an operator is off by so much (F13).
    Clock { replica: u8, from: u64, offset: i64 },
    /// A person acts just before the request is carried out, or just after (F9, F10, F15).
    Human { at: Point, after: bool, action: Human },
    /// Someone makes an object that nobody expects, of the n-th kind (F10, F12).
    Stranger { at: Point, kind: u8 },
    /// Just before the operators' n-th deletion of a pod is carried out, someone replaces that pod by one of their own under its
    /// name (F10, F12).
    Namesake { deletion: u32 },
    /// The first pod of a task behaves as the n-th entry of the catalogue says (F14).
    Pod { task: String, behaviour: usize },
}

impl Fault {
    /// The class of faults that it belongs to, as the report counts them.
    pub const fn class(&self) -> &'static str {
        match self {
            Self::Crash { .. } => "crash",
            Self::Stop { .. } => "orderly stop",
            Self::Answer { .. } => "error answer",
            Self::Lost { .. } => "lost answer",
            Self::Reset { .. } => "broken connection",
            Self::Late { .. } => "late write",
            Self::Freeze { .. } => "freeze",
            Self::Apart { .. } => "network down",
            Self::Lag { .. } => "lagging watch",
            Self::Deaf { .. } => "lagging watch of a standby",
            Self::Blind { .. } => "stale after restart",
            Self::Cut { .. } => "watch cut",
            Self::Mute { .. } => "watch silent",
            Self::Gone { .. } => "watch gone (410)",
            Self::Twice { .. } => "event twice",
            Self::Clock { .. } => "clock off",
            Self::Human { .. } => "human",
            Self::Stranger { .. } => "stranger",
            Self::Namesake { .. } => "namesake",
            Self::Pod { .. } => "pod behaviour",
        }
    }

    /// The request that it strikes at.
    pub const fn point(&self) -> Option<Point> {
        match self {
            Self::Crash { at, .. }
            | Self::Stop { at, .. }
            | Self::Answer { at, .. }
            | Self::Lost { at, .. }
            | Self::Reset { at, .. }
            | Self::Late { at, .. }
            | Self::Freeze { at, .. }
            | Self::Apart { at, .. }
            | Self::Stranger { at, .. }
            | Self::Human { at, .. } => Some(*at),
            _ => None,
        }
    }

    /// The watch event that it strikes at.
    pub const fn event(&self) -> Option<u32> {
        match self {
            Self::Cut { event } | Self::Mute { event } | Self::Gone { event } | Self::Twice { event } => Some(*event),
            _ => None,
        }
    }

    /// Whether everything must come out as if it had not struck: it only hides, delays, refuses or repeats. What people and
    /// pods do is another story.
    pub const fn is_gentle(&self) -> bool {
        match self {
            Self::Human { .. } | Self::Namesake { .. } | Self::Pod { .. } => false,
            // A create that arrives after its sender gave up may be one pod too many, once the attempt is over.
            Self::Late { by: late, .. }
            | Self::Crash { stage: Stage::Late, downtime: late, .. }
            | Self::Freeze { held: true, length: late, .. } => *late < GIVEN_UP,
            _ => true,
        }
    }

    /// Reads the textual form.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once('@')?;
        let mut parts = rest.split(':');
        let place = parts.next()?;
        let rest: Vec<&str> = parts.collect();
        let first = rest.first().copied();
        let event = || place.strip_prefix('e').and_then(|number| number.parse().ok());
        Some(match name {
            "crash" => {
                let stage = Stage::ALL.into_iter().find(|stage| Some(stage.name()) == first)?;
                Self::Crash { at: point(place)?, stage, downtime: millis(rest.get(1)?)? }
            }
            "stop" => Self::Stop { at: point(place)?, downtime: millis(first?)? },
            "answer" => Self::Answer { at: point(place)?, code: first?.parse().ok()?, applied: applied(rest.get(1)?)? },
            "lost" => Self::Lost { at: point(place)?, applied: applied(first?)? },
            "reset" => Self::Reset { at: point(place)?, applied: applied(first?)? },
            "late" => Self::Late { at: point(place)?, by: millis(first?)? },
            "freeze" => {
                let held = match first? {
                    "held" => true,
                    "sent" => false,
                    _ => return None,
                };
                Self::Freeze { at: point(place)?, held, length: millis(rest.get(1)?)? }
            }
            "apart" => Self::Apart { at: point(place)?, length: millis(first?)? },
            "lag" => Self::Lag { resource: place.to_owned(), from: millis(first?)?, by: millis(rest.get(1)?)? },
            "deaf" => Self::Deaf { resource: place.to_owned(), from: millis(first?)?, by: millis(rest.get(1)?)? },
            "blind" => Self::Blind { resource: place.to_owned(), by: millis(first?)? },
            "cut" => Self::Cut { event: event()? },
            "mute" => Self::Mute { event: event()? },
            "gone" => Self::Gone { event: event()? },
            "twice" => Self::Twice { event: event()? },
            "clock" => {
                let (sign, length) = match rest.get(1)?.strip_prefix('-') {
                    Some(length) => (-1, length),
                    None => (1, *rest.get(1)?),
                };
                let offset = sign * i64::try_from(millis(length)?).ok()?;
                Self::Clock { replica: place.parse().ok()?, from: millis(first?)?, offset }
            }
            "human" => {
                let after = match first? {
                    "before" => false,
                    "after" => true,
                    _ => return None,
                };
                Self::Human { at: point(place)?, after, action: rest[1..].join(":").parse().ok()? }
            }
            "stranger" => Self::Stranger { at: point(place)?, kind: first?.parse().ok()? },
            "namesake" => Self::Namesake { deletion: place.strip_prefix('d')?.parse().ok()? },
            "pod" => Self::Pod { task: place.to_owned(), behaviour: first?.parse().ok()? },
            _ => return None,
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = |applied: &bool| if *applied { "after" } else { "before" };
        match self {
            Self::Crash { at, stage, downtime } => write!(f, "crash@{at}:{}:{downtime}ms", stage.name()),
            Self::Stop { at, downtime } => write!(f, "stop@{at}:{downtime}ms"),
            Self::Answer { at, code, applied } => write!(f, "answer@{at}:{code}:{}", done(applied)),
            Self::Lost { at, applied } => write!(f, "lost@{at}:{}", done(applied)),
            Self::Reset { at, applied } => write!(f, "reset@{at}:{}", done(applied)),
            Self::Late { at, by } => write!(f, "late@{at}:{by}ms"),
            Self::Freeze { at, held, length } => {
                write!(f, "freeze@{at}:{}:{length}ms", if *held { "held" } else { "sent" })
            }
            Self::Apart { at, length } => write!(f, "apart@{at}:{length}ms"),
            Self::Lag { resource, from, by } => write!(f, "lag@{resource}:{from}ms:{by}ms"),
            Self::Deaf { resource, from, by } => write!(f, "deaf@{resource}:{from}ms:{by}ms"),
            Self::Blind { resource, by } => write!(f, "blind@{resource}:{by}ms"),
            Self::Cut { event } => write!(f, "cut@e{event}"),
            Self::Mute { event } => write!(f, "mute@e{event}"),
            Self::Gone { event } => write!(f, "gone@e{event}"),
            Self::Twice { event } => write!(f, "twice@e{event}"),
            Self::Clock { replica, from, offset } => write!(f, "clock@{replica}:{from}ms:{offset}ms"),
            Self::Human { at, after, action } => {
                write!(f, "human@{at}:{}:{action}", if *after { "after" } else { "before" })
            }
            Self::Stranger { at, kind } => write!(f, "stranger@{at}:{kind}"),
            Self::Namesake { deletion } => write!(f, "namesake@d{deletion}"),
            Self::Pod { task, behaviour } => write!(f, "pod@{task}:{behaviour}"),
        }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter =
            Class::LETTERS.into_iter().find(|(class, _)| *class == self.class).map_or('?', |(_, letter)| letter);
        write!(f, "{letter}{}", self.number)
    }
}

fn point(text: &str) -> Option<Point> {
    let letter = text.chars().next()?;
    let class = Class::LETTERS.into_iter().find(|(_, of)| *of == letter)?.0;
    Some(Point { class, number: text.get(1..)?.parse().ok()? })
}

fn applied(text: &str) -> Option<bool> {
    match text {
        "after" => Some(true),
        "before" => Some(false),
        _ => None,
    }
}

/// `20s` or `300ms`.
fn millis(text: &str) -> Option<u64> {
    match text.strip_suffix("ms") {
        Some(number) => number.parse().ok(),
        None => text.strip_suffix('s')?.parse::<u64>().ok()?.checked_mul(1_000),
    }
}

#[test]
fn every_fault_is_read_as_it_is_written() {
    let at = Point::write(5);
    let lease = Point { class: Class::Lease, number: 3 };
    let resource = || "pods".to_owned();
    let mut faults = vec![
        Fault::Stop { at, downtime: 5_000 },
        Fault::Answer { at, code: 504, applied: true },
        Fault::Lost { at: lease, applied: false },
        Fault::Reset { at, applied: true },
        Fault::Late { at, by: 12_000 },
        Fault::Freeze { at, held: true, length: 20_000 },
        Fault::Apart { at, length: 20_000 },
        Fault::Lag { resource: resource(), from: 100, by: 5_000 },
        Fault::Deaf { resource: resource(), from: 100, by: 5_000 },
        Fault::Blind { resource: resource(), by: 5_000 },
        Fault::Cut { event: 7 },
        Fault::Mute { event: 7 },
        Fault::Gone { event: 7 },
        Fault::Twice { event: 7 },
        Fault::Clock { replica: 2, from: 0, offset: -3_600_000 },
        Fault::Human {
            at,
            after: true,
            action: Human::DeletePod { run: "r".to_owned(), task: "a".to_owned(), force: true },
        },
        Fault::Stranger { at, kind: 2 },
        Fault::Namesake { deletion: 3 },
        Fault::Pod { task: "a".to_owned(), behaviour: 3 },
    ];
    faults.extend(Stage::ALL.map(|stage| Fault::Crash { at, stage, downtime: 300 }));
    for fault in faults {
        assert_eq!(Fault::parse(&fault.to_string()), Some(fault.clone()), "{fault}");
    }
    assert_eq!(Fault::parse("crash@w5:applied:2s"), Fault::parse("crash@w5:applied:2000ms"));
    assert_eq!(Fault::parse("crash@w5:soon:2s"), None);
}
