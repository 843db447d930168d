//! The agent's client against guests that are up to no good.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test"
)]

use qmp::Error;
use qmp::agent::Agent;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

const SOON: Duration = Duration::from_secs(120);
const BRIEF: Duration = Duration::from_millis(50);

/// A guest: `answer` gives the bytes for each command, which is parsed after any 0xFF.
fn guest(mut answer: impl FnMut(&str, &Value) -> Vec<u8> + Send + 'static) -> Agent {
    let (ours, theirs) = UnixStream::pair().unwrap();
    tokio::spawn(async move {
        let mut stream = BufReader::new(theirs);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).await.unwrap_or(0) > 0 {
            let start = line.iter().rposition(|&byte| byte == 0xff).map_or(0, |at| at + 1);
            let command: Value = serde_json::from_slice(&line[start..]).unwrap();
            let bytes = answer(command["execute"].as_str().unwrap(), &command["arguments"]);
            if bytes == b"close" || stream.write_all(&bytes).await.is_err() {
                return;
            }
            line.clear();
        }
    });
    Agent::from_stream(ours, "test")
}

fn synced(arguments: &Value) -> Vec<u8> {
    let mut bytes = vec![0xff];
    bytes.extend_from_slice(format!("{}\n", json!({ "return": arguments["id"] })).as_bytes());
    bytes
}

#[tokio::test]
async fn replies_left_over_are_not_taken_for_new_ones() {
    let mut count = 0;
    let agent = guest(move |command, arguments| match command {
        "guest-sync-delimited" => {
            let mut bytes = b"{\"return\": \"left over\"}\n{\"return\": 12}\n{\"ret".to_vec();
            bytes.extend(synced(arguments));
            bytes
        }
        _ => {
            count += 1;
            if count == 1 {
                Vec::new()
            } else {
                format!("{{\"return\": {count}}}\n").into_bytes()
            }
        }
    });
    assert!(
        agent
            .execute::<u64>("guest-ping", (), BRIEF)
            .await
            .unwrap_err()
            .is_timeout()
    );
    assert_eq!(agent.execute::<u64>("guest-ping", (), SOON).await.unwrap(), 2);
    let (one, two) = tokio::join!(
        agent.execute::<u64>("guest-ping", (), SOON),
        agent.execute_raw("{\"execute\":\n\"x\"}", SOON)
    );
    assert_eq!(one.unwrap(), 3);
    assert_eq!(two.unwrap(), "{\"return\": 4}");
}

#[tokio::test]
async fn no_agent_is_a_timeout_and_garbage_is_bounded() {
    let agent = guest(|_, _| Vec::new());
    assert!(
        agent
            .execute::<Value>("guest-ping", (), BRIEF)
            .await
            .unwrap_err()
            .is_timeout()
    );
    let agent = guest(|_, _| [0xff, b'\n'].repeat(1 << 20));
    assert!(matches!(
        agent.execute::<Value>("guest-ping", (), SOON).await,
        Err(Error::Protocol(_))
    ));
    let agent = guest(|command, arguments| match command {
        "guest-sync-delimited" => synced(arguments),
        _ => vec![b'a'; 20 << 20],
    });
    assert!(matches!(
        agent.execute::<Value>("guest-ping", (), SOON).await,
        Err(Error::Protocol(_))
    ));
}

#[tokio::test]
async fn another_number_is_not_ours() {
    let agent =
        guest(|_, _| b"\xff{\"return\": 1}\n\xff{\"return\": -1}\n\xff{\"return\": \"1\"}\n".to_vec());
    assert!(
        agent
            .execute::<Value>("guest-ping", (), BRIEF)
            .await
            .unwrap_err()
            .is_timeout()
    );
}

#[tokio::test]
async fn refusals_and_silence_of_a_shutdown() {
    let reply = |text: &'static str| {
        guest(move |command, arguments| match command {
            "guest-sync-delimited" => synced(arguments),
            _ => text.as_bytes().to_vec(),
        })
    };
    let agent = reply("{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"no\"}}\n");
    let refused = agent
        .execute_silent("guest-shutdown", (), SOON, SOON)
        .await
        .unwrap_err();
    assert!(refused.is_command_not_found());
    reply("")
        .execute_silent("guest-shutdown", (), SOON, BRIEF)
        .await
        .unwrap();
    reply("close")
        .execute_silent("guest-shutdown", (), SOON, SOON)
        .await
        .unwrap();
    assert!(
        reply("close")
            .execute::<Value>("guest-ping", (), SOON)
            .await
            .unwrap_err()
            .is_closed()
    );
    assert!(matches!(
        reply("{}\n").execute::<Value>("x", (), SOON).await,
        Err(Error::Protocol(_))
    ));
    assert!(matches!(
        reply("\n{\"return\":[]}\n").execute::<u8>("x", (), SOON).await,
        Err(Error::Protocol(_))
    ));
}
