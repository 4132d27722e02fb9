//! The way to a server, as users of libpq know it: what a connection string means, by libpq itself; variables, password and service
//! files; which of several hosts is taken; whom TLS believes; and where no password may stand.

#[path = "../common/mod.rs"]
mod common;

mod corpus;
mod hosts;
mod reading;
mod secrets;
mod tls;

use std::sync::LazyLock;

use pgv2rs_copy::connect::{Endpoint, Session};
use pgv2rs_copy::error::{Result, Side};

static RUNTIME: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Runtime::new().expect("starting a runtime"));

fn connect(text: &str) -> Result<Session> {
    RUNTIME.block_on(async { Endpoint::parse(Side::Target, text)?.connect().await })
}

/// The first column of the first row, as text.
fn ask(session: &Session, sql: &str) -> String {
    let rows = RUNTIME.block_on(session.client.simple_query(sql));
    let rows = rows.unwrap_or_else(|e| panic!("{e}: {sql}"));
    let row = rows.iter().find_map(|m| match m {
        tokio_postgres::SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    row.and_then(|r| r.get(0)).unwrap_or("NULL").to_string()
}

/// It is refused, and says all of this.
fn refused(text: &str, words: &[&str]) {
    let Err(error) = connect(text) else {
        panic!("connected: {words:?}");
    };
    let chain = error.chain();
    for word in words {
        assert!(chain.contains(word), "does not say {word:?}\n{chain}");
    }
}
