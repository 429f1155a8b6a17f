//! What becomes of an attempt's pod: the script that the played scheduler, kubelet and node controllers follow.

/// What becomes of the pod of one attempt. Times are milliseconds of true time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// What keeps `main` from starting, one after the other.
    pub hindrances: Vec<Hindrance>,
    /// From the node's first sight of the pod to the start of `main`, after all hindrances.
    pub start_ms: u64,
    /// What `main` does if nobody stops it.
    pub work: Work,
    /// What `main` does on SIGTERM.
    pub on_term: OnTerm,
    /// Who takes the pod, and when.
    pub taken: Option<Taken>,
    /// How the node tells.
    pub reports: Reports,
    /// Environment variables that `main` must find, and fields of its pod, by JSON pointer, that must have this value; or it exits
    /// with [`WRONG_ENV`]: proof that values arrive.
    pub expects: Vec<(String, String)>,
    /// How long other ordinary containers of the pod go on after `main` has ended; they exit with 0.
    pub lingers_ms: u64,
}

/// The exit code of `main` where an environment variable or a field isn't what the script expects.
pub const WRONG_ENV: i32 = 97;

/// What `main` does if nobody stops it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// It runs and exits.
    Exits {
        /// How long it runs.
        after_ms: u64,
        /// Its exit code.
        exit_code: i32,
        /// Its termination message: outputs, or the end of its log.
        message: String,
    },
    /// It runs and is killed for using more memory than its limit.
    OutOfMemory {
        /// How long it runs.
        after_ms: u64,
    },
    /// The runtime can't start it: no such program.
    StartError,
}

/// Something that keeps `main` from starting, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hindrance {
    /// What.
    pub kind: Trouble,
    /// How long.
    pub for_ms: u64,
}

/// What keeps a container from starting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No node has room.
    Unschedulable,
    /// The image can't be pulled; the kubelet alternates between its two words for that.
    ImagePull,
    /// A config map or secret isn't there: `CreateContainerConfigError`.
    PodConfig,
}

/// What `main` does on SIGTERM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTerm {
    /// It ends with 143.
    Dies {
        /// How long that takes; where the grace is shorter, it is killed with 137.
        after_ms: u64,
    },
    /// It finishes its work early and exits with 0 and its message.
    Finishes {
        /// How long that takes; where the grace is shorter, it is killed with 137.
        after_ms: u64,
    },
    /// It doesn't care, and is killed with 137 when its grace is over.
    Ignores,
}

/// The pod is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// When.
    pub when: When,
    /// By whom.
    pub by: Taker,
}

/// When a pod is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// On its node, before `main` starts.
    BeforeStart,
    /// So long after the start of `main`; nothing happens if it has ended by then.
    Running(u64),
    /// So long after the end of `main`.
    Ended(u64),
}

/// Who takes a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taker {
    /// The eviction API, as `kubectl drain` uses it.
    Eviction,
    /// The scheduler, for a pod of higher priority.
    Preemption,
    /// The kubelet, short of memory.
    NodePressure,
    /// The kubelet, since the node shuts down.
    Shutdown,
    /// The kubelet, since the pod used more than its own limit of storage: the task's fault.
    OwnUse,
    /// The kubelet, at admission: the node has no room after all. Only before the start.
    Rejection,
    /// The node stops answering; the taint manager deletes the pod, which stays Terminating.
    NodeLost {
        /// How long the node is away.
        away_ms: u64,
        /// Whether it comes back; otherwise it is removed then, and pod garbage collection fails and force-deletes the pod.
        returns: bool,
    },
    /// The node stops answering for a while; an old controller writes phase `Unknown`. Nobody deletes anything.
    Silence {
        /// How long.
        for_ms: u64,
    },
    /// A person deletes the pod.
    Person,
}

/// How the node tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reports {
    /// From a change on the node to the status that tells of it.
    pub lag_ms: u64,
    /// From the end of the last container to the pod's final phase: the containers' states come first, the phase follows.
    pub phase_lag_ms: u64,
    /// Nothing is told until the end: straight from Pending to the final phase.
    pub collapsed: bool,
}

impl Behaviour {
    /// Exits with 0 after so long, and leaves a message.
    pub fn succeeds(after_ms: u64, message: &str) -> Self {
        Self::exits(after_ms, 0, message)
    }

    /// Exits with a code after so long, and leaves a message.
    pub fn exits(after_ms: u64, exit_code: i32, message: &str) -> Self {
        Self::works(Work::Exits { after_ms, exit_code, message: message.to_owned() })
    }

    /// Works so; nothing is out of the ordinary.
    pub fn works(work: Work) -> Self {
        Self {
            hindrances: Vec::new(),
            start_ms: 500,
            work,
            on_term: OnTerm::Dies { after_ms: 200 },
            taken: None,
            reports: Reports { lag_ms: 20, phase_lag_ms: 1_200, collapsed: false },
            expects: Vec::new(),
            lingers_ms: 0,
        }
    }

    /// The same, but held up first.
    pub fn hindered(mut self, kind: Trouble, for_ms: u64) -> Self {
        self.hindrances.push(Hindrance { kind, for_ms });
        self
    }

    /// The same, but taken.
    pub fn taken(self, when: When, by: Taker) -> Self {
        Self { taken: Some(Taken { when, by }), ..self }
    }

    /// The same, but with other manners on SIGTERM.
    pub fn on_term(self, on_term: OnTerm) -> Self {
        Self { on_term, ..self }
    }

    /// The same, but it fails unless it finds a variable, or a field of its pod, of that value.
    pub fn expecting(mut self, name: &str, value: &str) -> Self {
        self.expects.push((name.to_owned(), value.to_owned()));
        self
    }

    /// How long `main` runs if nobody stops it; `None` if it can't even start.
    pub const fn runs_ms(&self) -> Option<u64> {
        match self.work {
            Work::Exits { after_ms, .. } | Work::OutOfMemory { after_ms } => Some(after_ms),
            Work::StartError => None,
        }
    }

    /// The termination message of a `main` that ends by itself.
    pub fn message(&self) -> &str {
        match &self.work {
            Work::Exits { message, .. } => message,
            Work::OutOfMemory { .. } | Work::StartError => "",
        }
    }
}
