//! Faults made by hand, each a mistake that someone could make in good faith. The simulator must catch every one: that is how
//! it shows that it would have caught ours.
//!
//! They exist only with the feature `mutants`, which no release build can have; without it [`is`] is a constant `false`, and
//! nothing of them is compiled.

#[cfg(all(feature = "mutants", not(debug_assertions)))]
compile_error!("the feature `mutants` puts faults into the program, so that no release build can have it");

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutant {
    /// The status is written whatever was written since it was read.
    StatusWithoutVersion,
    /// Effects begin before the status that permits them is on record.
    EffectsBeforeStatus,
    /// A conflict doesn't end the round.
    ConflictIgnored,
    /// A pod is deleted by its name.
    DeleteWithoutUid,
    /// A pod counts as the run's own by its label alone.
    OwnByLabel,
    /// Whatever pod has the name of an attempt's is taken for it.
    ExistingIsOurs,
    /// A pod of our own making that exists already, and isn't on record, is taken for someone else's.
    ExistingIsForeign,
    /// A finalizer is taken off before the outcome is on record.
    ReleaseUnrecorded,
    /// The finalizers of a deleted run's pods stay.
    OrphansKept,
    /// A run counts as alive if one of its name is.
    AliveByName,
    /// What isn't known of a pod is taken for its absence.
    UnknownIsAbsent,
    /// What an earlier term did is remembered in the next one.
    TermsShareMemory,
    /// The permit is looked at once, when the lease is taken.
    PermitForever,
    /// Older news of an object replaces newer.
    OlderNewsWins,
    /// The answer to a write brings back what was deleted meanwhile.
    DeadRise,
    /// What a new list doesn't hold any more is kept.
    RelistKeepsGone,
    /// A change during a round is lost.
    ChangeLost,
    /// A round that failed is not tried again.
    FailureForgotten,
    /// A wish to be woken is forgotten.
    WakeForgotten,
    /// A task starts when one of those it needs has succeeded.
    NeedsAny,
    /// A task starts when those it needs are running.
    NeedsRunning,
    /// The trigger rule AnyDone is taken for AnySucceeded.
    AnyDoneNeedsSuccess,
    /// A trigger rule is decided when the first need has ended.
    RuleDecidedEarly,
    /// A condition is evaluated again while its task waits.
    WhenEvaluatedAgain,
    /// A failure counts against the run though it is allowed.
    AllowedFailureFails,
    /// A skipped task counts as failed.
    SkippedFails,
    /// Finally tasks don't wait for the end of the others.
    FinallyBeforeTheEnd,
    /// A finally task that has ended runs once more.
    FinallyRunsAgain,
    /// The finally tasks of a cancelled run don't run.
    CancelSkipsFinally,
    /// A finally task that fails counts as any other.
    FinallyCountsAsMain,
    /// What comes after a task that runs again doesn't.
    DownstreamKept,
    /// A new generation goes on with the budgets of the last one.
    BudgetsGoOn,
    /// A cancel stops every generation.
    CancelOfAllGenerations,
    /// One item more than maxParallel allows has a pod.
    MaxParallelOffByOne,
    /// A task succeeds as soon as one of its items has, whatever became of the others.
    ItemsFailedSucceeds,
    /// The next attempt doesn't wait for the end of the last one's pod.
    RetryBesideLivePod,
    /// Disruptions are made good without an end.
    DisruptionsUnbounded,
    /// Disruptions cost retries.
    BudgetsShared,
    /// A task is tried once more than its limit says.
    LimitOffByOne,
    /// Each operator has a chance of its own.
    JitterByChance,
    /// The time of the next attempt is set anew in each round.
    NextTimeAnew,
    /// The fields of a pod follow the first attempt.
    FieldsOfFirstAttempt,
    /// A pod is made before the volume claim that it mounts.
    PodBeforeItsClaim,
    /// Whatever volume claim has the name of a run's is taken for it.
    AnyClaimIsOurs,
    /// A volume claim belongs to nobody.
    ClaimWithoutOwner,
    /// An attempt's timeout counts from its pod's creation.
    TimeoutFromCreation,
    /// The number of an attempt is that of the pods that are seen, plus one.
    NumberFromPods,
    /// The name of a pod is cut without a hash.
    NameWithoutHash,
    /// Creates that wait for their turn aren't asked again whether they are wanted.
    CancelLosesToCreate,
    /// A run that has ended follows its cancel.
    EndedIsCancelled,
    /// A slot is taken on what the cache tells of the other runs.
    SlotFromCache,
    /// A slot is taken without claiming it first.
    SlotUnclaimed,
    /// A run that is being stopped has no slot any more, though its finally tasks run.
    SlotEndsWithStop,
    /// Runs that wait for a slot come in the order of their age alone.
    PriorityIgnored,
    /// Those that wait for a slot aren't looked at when one is free.
    QueueNotWoken,
    /// A run's ttl counts from its creation.
    TtlFromCreation,
    /// Pods that aren't kept go as soon as their outcome is on record.
    PodsClearedAtOnce,
    /// The status carries the time of each round.
    StampEachRound,
    /// Transitions are numbered from the length of the history.
    SeqFromLength,
    /// What the log has no room for is dropped.
    LogDropped,
    /// The log stays in the status when it is sealed.
    LogSealedAndKept,
    /// A segment is written after the status that names it.
    SegmentAfterStatus,
    /// Whatever record has the name of a segment is taken for it.
    AnySegmentIsOurs,
    /// Outputs that a status has no room for are written after the status that names them.
    OutputsSealedAfterStatus,
    /// Outputs in records are forgotten.
    SealedOutputsForgotten,
    /// Outputs stay in records though a retry took them back.
    StaleOutputsKept,
    /// When a unit that isn't spelt out is tried again is not put on record.
    RowWithoutTime,
    /// Each unit has the letter of the one before it.
    LettersShifted,
    /// The outputs of tasks that aren't spelt out are lost.
    PackedOutputsLost,
    /// A unit whose pod isn't on record by its uid counts as not made.
    UntoldIsUnmade,
    /// Attempts of a next generation are numbered from one again.
    FormerAttemptsLost,
    /// How a unit ended that isn't spelt out is told nowhere.
    EndNotLogged,
    /// A child run that failed counts as a success.
    FailedChildSucceeds,
    /// A child run is the attempt's own by its name alone.
    ChildByName,
    /// The end of a run that is being stopped doesn't wait for its child runs.
    EndsBeforeChild,
    /// A child run goes on though its parent is being stopped.
    ChildOutlivesCancel,
    /// A key that is missing from an object counts as a condition that holds.
    MissingKeyHolds,
    /// An object is made without asking whether its task's account may.
    ReviewSkipped,
    /// The object of an attempt that was stopped stays.
    ResourceOutlivesStop,
    /// Whatever object has the name of an attempt's is taken for it.
    ResourceByName,
    /// An attempt that goes on with a child run takes the end of the former generation for its own.
    ChildEndsAgain,
    /// Nobody tells a child run that has ended that its parent goes on with it.
    EndedChildNotWoken,
}

impl Mutant {
    /// Every fault.
    pub const ALL: [Self; 82] = [
        Self::StatusWithoutVersion,
        Self::EffectsBeforeStatus,
        Self::ConflictIgnored,
        Self::DeleteWithoutUid,
        Self::OwnByLabel,
        Self::ExistingIsOurs,
        Self::ExistingIsForeign,
        Self::ReleaseUnrecorded,
        Self::OrphansKept,
        Self::AliveByName,
        Self::UnknownIsAbsent,
        Self::TermsShareMemory,
        Self::PermitForever,
        Self::OlderNewsWins,
        Self::DeadRise,
        Self::RelistKeepsGone,
        Self::ChangeLost,
        Self::FailureForgotten,
        Self::WakeForgotten,
        Self::NeedsAny,
        Self::NeedsRunning,
        Self::AnyDoneNeedsSuccess,
        Self::RuleDecidedEarly,
        Self::WhenEvaluatedAgain,
        Self::AllowedFailureFails,
        Self::SkippedFails,
        Self::FinallyBeforeTheEnd,
        Self::FinallyRunsAgain,
        Self::CancelSkipsFinally,
        Self::FinallyCountsAsMain,
        Self::DownstreamKept,
        Self::BudgetsGoOn,
        Self::CancelOfAllGenerations,
        Self::MaxParallelOffByOne,
        Self::ItemsFailedSucceeds,
        Self::RetryBesideLivePod,
        Self::DisruptionsUnbounded,
        Self::BudgetsShared,
        Self::LimitOffByOne,
        Self::JitterByChance,
        Self::NextTimeAnew,
        Self::FieldsOfFirstAttempt,
        Self::PodBeforeItsClaim,
        Self::AnyClaimIsOurs,
        Self::ClaimWithoutOwner,
        Self::TimeoutFromCreation,
        Self::NumberFromPods,
        Self::NameWithoutHash,
        Self::CancelLosesToCreate,
        Self::EndedIsCancelled,
        Self::SlotFromCache,
        Self::SlotUnclaimed,
        Self::SlotEndsWithStop,
        Self::PriorityIgnored,
        Self::QueueNotWoken,
        Self::TtlFromCreation,
        Self::PodsClearedAtOnce,
        Self::StampEachRound,
        Self::SeqFromLength,
        Self::LogDropped,
        Self::LogSealedAndKept,
        Self::SegmentAfterStatus,
        Self::AnySegmentIsOurs,
        Self::OutputsSealedAfterStatus,
        Self::SealedOutputsForgotten,
        Self::StaleOutputsKept,
        Self::RowWithoutTime,
        Self::LettersShifted,
        Self::PackedOutputsLost,
        Self::UntoldIsUnmade,
        Self::FormerAttemptsLost,
        Self::EndNotLogged,
        Self::FailedChildSucceeds,
        Self::ChildByName,
        Self::EndsBeforeChild,
        Self::ChildOutlivesCancel,
        Self::MissingKeyHolds,
        Self::ReviewSkipped,
        Self::ResourceOutlivesStop,
        Self::ResourceByName,
        Self::ChildEndsAgain,
        Self::EndedChildNotWoken,
    ];
}

#[cfg(feature = "mutants")]
thread_local! {
    static CHOSEN: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// Chooses the fault that this thread has from now on; with `None` it has none.
#[cfg(feature = "mutants")]
pub fn choose(mutant: Option<Mutant>) {
    CHOSEN.set(mutant);
}

/// Whether this thread has the fault.
#[cfg(feature = "mutants")]
#[must_use]
pub fn is(mutant: Mutant) -> bool {
    CHOSEN.get() == Some(mutant)
}

/// Whether this thread has the fault: never.
#[cfg(not(feature = "mutants"))]
#[must_use]
pub const fn is(_: Mutant) -> bool {
    false
}
