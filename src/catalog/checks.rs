//! In: the expressions of checks, and the rows of the source that they are to be asked of. Out: which of them some row breaks.

use tokio_postgres::{Client, Row};

use crate::connect::literal;
use crate::error::{Error, Result, Side};

/// One look at the rows for all of the expressions. What cannot be computed refuses a row as well.
pub async fn broken(
    client: &Client,
    search_path: &str,
    from: &str,
    expressions: &[String],
) -> Result<Vec<bool>> {
    if expressions.is_empty() {
        return Ok(Vec::new());
    }
    let refused = |e: &String| format!("coalesce(bool_or(NOT ({e})), false)");
    let refused: Vec<String> = expressions.iter().map(refused).collect();
    let sql = format!("SELECT ARRAY[{}] FROM {from}", refused.join(", "));
    let row = answer(client, search_path, from, &sql).await?;
    Ok(row.map_or(vec![true; expressions.len()], |row| row.get(0)))
}

/// The one row of a question about the rows of `from`, in the snapshot's transaction; None, where the server cannot compute it. Rows meet the
/// `search_path` that what is asked of them was written for.
pub async fn answer(
    client: &Client,
    search_path: &str,
    from: &str,
    sql: &str,
) -> Result<Option<Row>> {
    let failed = || {
        Error::on(
            Side::Source,
            format!("asking the rows of {from} for their checks"),
        )
    };
    let begin = format!(
        "SAVEPOINT checks; SELECT pg_catalog.set_config('search_path', {}, true)",
        literal(search_path)
    );
    client.batch_execute(&begin).await.map_err(failed())?;
    let answer = client.query_one(sql, &[]).await;
    let end = "ROLLBACK TO checks; RELEASE checks";
    client.batch_execute(end).await.map_err(failed())?;
    match answer {
        Ok(row) => Ok(Some(row)),
        Err(error) if error.as_db_error().is_some() => Ok(None),
        Err(error) => Err(failed()(error)),
    }
}
