//! In: a database with all of its objects. Out: settings of the database and of its roles in it, which shape what a session sees,
//! says or may do: none of them may touch the copy, and all of them come. They are made last.

use super::common::Pair;
use super::database::Database;
use super::names::ident;

/// A setting, and a value as ALTER DATABASE takes it.
const SETTINGS: [(&str, &str); 31] = [
    ("DateStyle", "'German, DMY'"),
    ("IntervalStyle", "sql_standard"),
    ("TimeZone", "'Asia/Kolkata'"),
    ("extra_float_digits", "-15"),
    ("bytea_output", "escape"),
    ("array_nulls", "off"),
    ("transform_null_equals", "on"),
    ("standard_conforming_strings", "off"),
    ("escape_string_warning", "off"),
    ("quote_all_identifiers", "on"),
    ("client_encoding", "'LATIN1'"),
    ("lc_monetary", "'C'"),
    ("lc_messages", "'C'"),
    ("search_path", "pg_temp, \"odd \"\"schema\", public"),
    ("search_path", "''"),
    ("row_security", "off"),
    ("default_transaction_read_only", "on"),
    ("default_transaction_isolation", "serializable"),
    ("default_transaction_deferrable", "on"),
    ("default_toast_compression", "pglz"),
    ("statement_timeout", "'900ms'"),
    ("lock_timeout", "'1s'"),
    ("idle_in_transaction_session_timeout", "'80ms'"),
    ("enable_seqscan", "off"),
    ("client_min_messages", "error"),
    ("check_function_bodies", "on"),
    ("xmloption", "document"),
    ("default_table_access_method", "heap"),
    ("synchronize_seqscans", "on"),
    ("hnsw.ef_search", "77"),
    ("ivfflat.probes", "5"),
];

pub fn make(database: &mut Database) {
    if !database.has("settings") {
        return;
    }
    let mut rng = database.stream("settings");
    let name = ident(&database.name);
    let mut statements = Vec::new();
    for (setting, value) in rng.some(&SETTINGS, 20) {
        let place = match database.roles.first() {
            Some(role) if rng.percent(30) => {
                format!("ALTER ROLE {} IN DATABASE {name}", ident(role))
            }
            _ => format!("ALTER DATABASE {name}"),
        };
        statements.push(format!("{place} SET {setting} = {value}"));
    }
    for statement in statements {
        database.add(statement);
    }
}

/// pgvector's settings in PGVecto.rs's words; all others as they are.
pub fn compare(database: &Database, pair: &Pair) -> Result<(), String> {
    const SQL: &str = "SELECT CASE setrole WHEN 0 THEN '-' ELSE pg_get_userbyid(setrole) END, c FROM pg_db_role_setting s, unnest(setconfig) c \
        WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1, 2";
    let arrays = database.arrays;
    let mut expected = pair.source.place.session().try_rows(SQL)?;
    for line in &mut expected {
        let of = database.wishes.renamed.iter().find_map(|(old, new)| {
            let setting = line.strip_prefix(old.as_str())?.strip_prefix('|')?;
            Some(format!("{new}|{setting}"))
        });
        *line = of
            .unwrap_or(line.clone())
            .replace("|hnsw.ef_search=", "|vectors.hnsw_ef_search=")
            .replace("|ivfflat.probes=", "|vectors.ivf_nprobe=");
    }
    // A fence around the source before a move; on the target it would keep the application out. The plan has a note about it.
    expected.retain(|line| !arrays || !line.contains("|vectors."));
    expected.retain(|line| !line.contains("|default_transaction_read_only="));
    let mut found = pair.target.place.session().try_rows(SQL)?;
    expected.sort();
    found.sort();
    match expected == found {
        true => Ok(()),
        false => Err(format!("source: {expected:#?}\ntarget: {found:#?}")),
    }
}
