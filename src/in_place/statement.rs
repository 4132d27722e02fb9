//! In: one statement. Out: done, and in the log; or what it was that was refused.

use crate::connect::Session;
use crate::error::{Error, Result, Side};

pub(super) async fn run(session: &Session, sql: &str) -> Result<()> {
    tracing::debug!("{sql}");
    let done = session.batch_execute(sql).await;
    let attempt = || sql.chars().take(120).collect::<String>();
    done.map_err(|e| Error::new(Side::Target, attempt()).because(e))
}
