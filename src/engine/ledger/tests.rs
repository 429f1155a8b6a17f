use super::*;
use crate::api::LogLine;
use crate::api::WaitKind;
use crate::engine::log::HOT;

fn ledger() -> Ledger {
    let task = TaskStatus { name: "t".into(), ..TaskStatus::default() };
    let status = WorkflowRunStatus { tasks: vec![task], ..WorkflowRunStatus::default() };
    Ledger::open(&status, HOT, Timestamp::UNIX_EPOCH)
}

#[test]
fn an_illegal_move_changes_nothing_and_is_reported() {
    let mut ledger = ledger();
    assert!(!ledger.move_task(0, TaskPhase::Running, None));
    assert_eq!(ledger.task(0).unwrap().phase, TaskPhase::Pending);
    assert!(ledger.status.history.is_empty());
    assert_eq!(
        ledger.illegal,
        [IllegalTransition { task: Some("t".into()), from: "Pending".into(), to: "Running".into() }]
    );
}

#[test]
fn transitions_are_numbered_without_gaps_the_newest_are_spelt_out_and_the_others_are_in_the_log() {
    let mut ledger = ledger();
    ledger.move_run(RunPhase::Running, None);
    for _ in 0..100 {
        ledger.move_run(RunPhase::Suspended, None);
        ledger.move_run(RunPhase::Running, None);
    }
    let seqs: Vec<u64> = ledger.status.history.iter().map(|t| t.seq).collect();
    assert_eq!(seqs, (138..=201).collect::<Vec<u64>>());
    let older = ledger.status.log.lines().map(|line| match LogLine::read(line).unwrap() {
        LogLine::Transition(transition) => transition.seq,
        unit @ LogLine::Unit { .. } => panic!("{unit:?}"),
    });
    assert!(older.eq(1..138));
    let reopened = Ledger::open(&ledger.status, HOT, ledger.now);
    assert_eq!(reopened.seq, 201);
}

#[test]
fn what_is_told_of_a_task_goes_into_the_log_as_it_is() {
    let mut ledger = ledger();
    ledger.move_task(0, TaskPhase::Cancelled, Some(Reason::CancelRequested));
    let task = ledger.task(0).unwrap().clone();
    ledger.log_unit(None, &task);
    ledger.log_unit(Some(3), &task);
    let lines: Vec<LogLine> = ledger.status.log.lines().map(|line| LogLine::read(line).unwrap()).collect();
    let unit = |item| LogLine::Unit { item, status: Box::new(task.clone()) };
    assert_eq!(lines, [unit(None), unit(Some(3))]);
}

#[test]
fn a_name_that_was_edited_makes_no_history_long() {
    let mut ledger = ledger();
    ledger.task_mut(0).unwrap().name = "é".repeat(100_000);
    ledger.move_task(0, TaskPhase::Cancelled, None);
    let name = ledger.status.history[0].task.as_deref().unwrap();
    assert!(name.starts_with("éé") && name.len() <= NAME, "{name}");
}

#[test]
fn waiting_keeps_its_time_while_the_kind_stays() {
    let mut ledger = ledger();
    ledger.wait(0, WaitKind::ImagePull, "a");
    ledger.now = Timestamp::from_second(60).unwrap();
    ledger.wait(0, WaitKind::ImagePull, "b");
    assert_eq!(ledger.task(0).unwrap().waiting_for.as_ref().unwrap().since.0, Timestamp::UNIX_EPOCH);
    ledger.wait(0, WaitKind::Unschedulable, "c");
    assert_eq!(ledger.task(0).unwrap().waiting_for.as_ref().unwrap().since.0, ledger.now);
}

#[test]
fn messages_share_a_bound() {
    let mut ledger = ledger();
    let total: usize = (0..10_000).map(|_| ledger.message(&"x".repeat(5_000)).len()).sum();
    assert!(total < ALL_MESSAGES + MESSAGE_BYTES + 10_000 * SHORT_MESSAGE);
}
