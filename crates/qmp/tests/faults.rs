//! The monitor against a stand-in that goes wrong on cue.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test"
)]

use qmp::{CloseReason, Error, Events, Monitor, Options};
use qmp_standin::{Script, Standin};
use std::time::{Duration, Instant};

/// Long enough never to pass where an answer comes.
const SOON: Duration = Duration::from_secs(120);
/// Short enough to wait for.
const BRIEF: Duration = Duration::from_millis(50);

async fn open(script: &str) -> (Standin, Monitor, Events) {
    let standin = Standin::spawn(Script::parse(script).unwrap()).unwrap();
    let (monitor, events) = Monitor::connect(standin.path(), Options::new("test").deadline(SOON))
        .await
        .unwrap();
    (standin, monitor, events)
}

/// How opening fails.
async fn refused(script: &str, options: Options) -> Error {
    let standin = Standin::spawn(Script::parse(script).unwrap()).unwrap();
    Monitor::connect(standin.path(), options).await.unwrap_err()
}

#[tokio::test]
async fn a_slow_command_is_late_and_the_monitor_recovers() {
    let (_standin, monitor, _events) = open("on query-status#1 slow 400").await;
    let Err(Error::Timeout { command, sent, .. }) = monitor.query_status(BRIEF).await else {
        panic!()
    };
    assert_eq!((command.as_str(), sent), ("query-status", true));
    assert!(!monitor.is_responsive());
    assert_eq!(monitor.unanswered(), 1);
    assert!(monitor.oldest_unanswered().unwrap() >= BRIEF);
    // The late reply is thrown away, this one is the second's own.
    assert_eq!(monitor.query_version(SOON).await.unwrap().qemu.major, 10);
    assert!(monitor.is_responsive());
    assert_eq!(monitor.unanswered(), 0);
    assert_eq!(monitor.query_status(SOON).await.unwrap().status, "prelaunch");
}

#[tokio::test]
async fn what_was_not_sent_is_never_carried_out() {
    let (_standin, monitor, _events) = open("on query-status#1 slow 1000").await;
    assert!(
        monitor
            .query_status(Duration::from_millis(300))
            .await
            .unwrap_err()
            .is_timeout()
    );
    let Err(Error::Timeout { sent, .. }) = monitor.cont(BRIEF).await else {
        panic!()
    };
    assert!(!sent, "a monitor that lies still gets nothing more");
    assert_eq!(monitor.query_status(SOON).await.unwrap().status, "prelaunch");
}

#[tokio::test]
async fn a_silent_command_hides_no_other() {
    let (_standin, monitor, _events) = open("on query-block silent").await;
    let (block, status) = tokio::join!(monitor.query_block(BRIEF), monitor.query_status(SOON));
    assert!(block.unwrap_err().is_timeout());
    status.unwrap();
    assert!(!monitor.is_responsive());
    monitor.query_status(SOON).await.unwrap();
    assert!(monitor.is_responsive());
}

#[tokio::test]
async fn a_swallowed_command_does_not_stop_later_ones() {
    let (_standin, monitor, mut events) = open("on query-block silent\non query-name#1 event STOP").await;
    assert!(
        monitor
            .query_block(Duration::from_millis(300))
            .await
            .unwrap_err()
            .is_timeout()
    );
    // It looks stuck by now, so this one waits for the answer to a knock.
    monitor.cont(SOON).await.unwrap();
    assert!(monitor.is_responsive());
    assert_eq!(monitor.unanswered(), 0);
    assert_eq!(events.next().await.unwrap().name, "STOP", "the knock");
    assert_eq!(events.next().await.unwrap().name, "RESUME");
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_the_monitor_usable() {
    let (_standin, monitor, _events) = open("on query-status#1 slow 100").await;
    assert!(
        tokio::time::timeout(BRIEF, monitor.query_status(SOON))
            .await
            .is_err()
    );
    assert!(monitor.is_responsive(), "nobody's deadline passed");
    monitor.query_status(SOON).await.unwrap();
    assert_eq!(monitor.unanswered(), 0);
}

#[tokio::test]
async fn a_hanging_monitor_answers_all_callers_by_their_deadlines() {
    let (_standin, monitor, _events) = open("on cont hang").await;
    let began = Instant::now();
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let monitor = monitor.clone();
            tokio::spawn(async move { monitor.cont(Duration::from_millis(300)).await })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap().unwrap_err().is_timeout());
    }
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(monitor.unanswered() <= 16, "what was not sent is forgotten");
}

#[tokio::test]
async fn lies_cost_only_their_own_command() {
    let (_standin, monitor, _events) = open(
        "on query-status#1 wrong-type\non query-status#2 wrong-id\non query-status#3 malformed\n\
         on query-status#4 garbage 10000\non query-cpus-fast huge\non query-version answer null",
    )
    .await;
    assert!(matches!(
        monitor.query_status(SOON).await,
        Err(Error::Protocol(_))
    ));
    assert!(monitor.query_status(BRIEF).await.unwrap_err().is_timeout());
    assert!(monitor.query_status(BRIEF).await.unwrap_err().is_timeout());
    monitor.query_status(SOON).await.unwrap();
    assert!(matches!(
        monitor.query_cpus_fast(SOON).await,
        Err(Error::Protocol(_))
    ));
    assert!(matches!(
        monitor.query_version(SOON).await,
        Err(Error::Protocol(_))
    ));
    monitor.query_status(SOON).await.unwrap();
    assert!(monitor.is_responsive());
}

#[tokio::test]
async fn endless_nonsense_closes() {
    let (_standin, monitor, mut events) = open("on cont garbage 1000000").await;
    let Err(Error::Closed(CloseReason::Protocol(_))) = monitor.cont(SOON).await else {
        panic!()
    };
    assert_eq!(
        events.next().await.map(|event| event.name).as_deref(),
        Some("RESUME")
    );
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn an_oversized_line_closes() {
    let options = Options {
        max_line: 1 << 20,
        ..Options::new("test")
    };
    let standin = Standin::spawn(Script::parse("on cont oversized 100000000").unwrap()).unwrap();
    let (monitor, _events) = Monitor::connect(standin.path(), options).await.unwrap();
    let Err(Error::Closed(CloseReason::Protocol(what))) = monitor.cont(SOON).await else {
        panic!()
    };
    assert!(what.contains("1048576"), "{what}");
}

#[tokio::test]
async fn a_crash_ends_every_wait() {
    let (_standin, monitor, mut events) = open("on cont crash\non query-status silent").await;
    let (status, cont, event) = tokio::join!(monitor.query_status(SOON), monitor.cont(SOON), events.next());
    assert!(status.unwrap_err().is_closed());
    assert!(cont.unwrap_err().is_closed());
    assert_eq!(event.unwrap().name, "RESUME");
    assert_eq!(events.next().await, None);
    assert_eq!(monitor.closed().await, CloseReason::Eof);
    assert!(monitor.cont(SOON).await.unwrap_err().is_closed());
}

#[tokio::test]
async fn no_event_of_a_flood_is_lost_though_nobody_reads_them_in_time() {
    // Bounded by what the queue may hold while the one command waits.
    let (_standin, monitor, mut events) =
        open("on cont flood 5000 STOP\non stop flood 20000 VSERPORT_CHANGE").await;
    monitor.cont(SOON).await.unwrap();
    let mut heard = 0;
    while heard < 5001 {
        let event = events.next().await.unwrap();
        assert!(
            event.name == "RESUME" || event.data["number"] == heard - 1,
            "{event:?}"
        );
        heard += 1;
    }
    // More than fits: the reading stops, and goes on as they are taken.
    let asked = tokio::spawn(async move { monitor.stop(SOON).await });
    for number in 0..20_001 {
        let event = events.next().await.unwrap();
        assert!(
            event.name == "STOP" || event.data["number"] == number - 1,
            "{event:?}"
        );
    }
    asked.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_flood_of_what_is_keeps_the_last() {
    let (_standin, monitor, mut events) = open("on cont flood 100000 RTC_CHANGE").await;
    monitor.cont(SOON).await.unwrap();
    let mut last = None;
    for _ in 0..100 {
        let event = events.next().await.unwrap();
        if event.data["number"] == 99_999 {
            last = Some(event);
            break;
        }
    }
    assert!(last.is_some());
}

#[tokio::test]
async fn events_nobody_wants_do_not_stop_the_monitor() {
    let (_standin, monitor, events) = open("on cont flood 50000 STOP").await;
    drop(events);
    monitor.cont(SOON).await.unwrap();
    monitor.query_status(SOON).await.unwrap();
}

#[tokio::test]
async fn a_peer_that_is_no_monitor_is_refused() {
    let brief = Options::new("test").deadline(BRIEF);
    assert!(refused("on greeting silent", brief.clone()).await.is_timeout());
    assert!(
        refused("on qmp_capabilities silent", brief.clone())
            .await
            .is_timeout()
    );
    let usual = Options::new("test");
    assert!(matches!(
        refused("on greeting malformed", usual.clone()).await,
        Error::Protocol(_)
    ));
    assert!(refused("on greeting close", usual.clone()).await.is_closed());
    assert!(matches!(
        refused("on greeting garbage 100", usual.clone()).await,
        Error::Protocol(_)
    ));
    assert!(
        refused("on qmp_capabilities refuse GenericError no", usual)
            .await
            .is_class("GenericError")
    );
    let missing = Monitor::connect(std::path::Path::new("/nonexistent/monitor"), Options::new("test")).await;
    assert!(matches!(missing, Err(Error::Connect { .. })));
}

#[tokio::test]
async fn the_last_handle_closes_and_another_may_come() {
    let (standin, monitor, mut events) = open("").await;
    let other = monitor.clone();
    drop(monitor);
    other.query_status(SOON).await.unwrap();
    drop(other);
    assert_eq!(events.next().await, None);
    assert_eq!(events.close_reason(), Some(CloseReason::Dropped));
    let (monitor, _events) = Monitor::connect(standin.path(), Options::new("again"))
        .await
        .unwrap();
    monitor.query_status(SOON).await.unwrap();
}

#[tokio::test]
async fn big_commands_pass_while_big_replies_come() {
    let (_standin, monitor, _events) = open("").await;
    let big = "x".repeat(1 << 20);
    let ask = |number: usize| {
        let (monitor, big) = (&monitor, &big);
        async move {
            let path = format!("p{number}");
            monitor.qom_set(&path, "big", big.as_str(), SOON).await.unwrap();
            let back: String = monitor.qom_get(&path, "big", SOON).await.unwrap();
            assert_eq!(&back, big);
        }
    };
    tokio::join!(ask(0), ask(1), ask(2), ask(3));
}

#[tokio::test]
async fn each_descriptor_goes_with_its_command() {
    let (_standin, monitor, _events) = open("").await;
    let null = || std::fs::File::open("/dev/null").unwrap().into();
    let (one, two, three) = tokio::join!(
        monitor.getfd("a", null(), SOON),
        monitor.getfd("b", null(), SOON),
        monitor.query_status(SOON)
    );
    one.unwrap();
    two.unwrap();
    three.unwrap();
    monitor.closefd("a", SOON).await.unwrap();
    assert!(
        monitor
            .closefd("a", SOON)
            .await
            .unwrap_err()
            .is_class("GenericError")
    );
    let none = monitor
        .order("getfd", serde_json::json!({ "fdname": "c" }), SOON)
        .await;
    assert!(none.unwrap_err().is_class("GenericError"));
}
