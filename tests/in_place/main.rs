//! In: one database with both extensions. Out: what `pgv2rs-copy in-place` makes of it, by each method, and what pg_dump, the catalogs and the
//! servers' own casts say of that. Expectations are written down before the program runs, by casts that it does not use for them.

#[path = "../common/mod.rs"]
mod common;

mod findings;
mod finish;
mod interrupted;
mod meanwhile;
mod measured;
mod methods;
mod shadow;
mod shapes;
mod views;
mod writers;

use common::run::{Outcome, Running, pg_dump, start};
use common::{Db, Place, unique};

/// A database of the target's server, with both extensions.
pub struct Both {
    pub db: Db,
}

impl std::ops::Deref for Both {
    type Target = Db;
    fn deref(&self) -> &Db {
        &self.db
    }
}

impl Both {
    pub fn with(sql: &str) -> Both {
        let db = Db::create(&Place::target(), &unique("in_place"));
        db.exec("CREATE EXTENSION vector; CREATE EXTENSION vectors");
        db.exec(sql);
        Both { db }
    }

    pub fn start_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Running {
        let to = self.place.connection_string();
        let ends = ["in-place", "--target", &to];
        let secrets: Vec<String> = self.place.password.iter().cloned().collect();
        start(&[&ends, arguments].concat(), variables, secrets)
    }

    pub fn start(&self, arguments: &[&str]) -> Running {
        self.start_with(arguments, &[])
    }

    pub fn run(&self, arguments: &[&str]) -> Outcome {
        self.start(arguments).ended()
    }

    /// A run that must succeed.
    pub fn change(&self, arguments: &[&str]) -> Outcome {
        let outcome = self.run(arguments);
        assert_eq!(outcome.code, 0, "{}", outcome.everything());
        outcome
    }

    /// The program kills itself at this step.
    pub fn killed_at(&self, step: &str, arguments: &[&str]) {
        let outcome = self
            .start_with(arguments, &[("PGV2RS_KILL_AT", step)])
            .ended();
        assert_eq!(
            outcome.code,
            -1,
            "not killed at {step}\n{}",
            outcome.everything()
        );
    }

    /// `pgv2rs-copy status` or `clean`.
    pub fn ledger_says(&self, command: &str) -> Outcome {
        let to = self.place.connection_string();
        start(&[command, "--target", &to], &[], Vec::new()).ended()
    }

    /// The whole schema as pg_dump writes it, but for the ledger.
    pub fn dump(&self) -> String {
        let output = std::process::Command::new(pg_dump())
            .args(["--schema-only", "--exclude-schema=pgv2rs", "--dbname"])
            .arg(self.place.connection_string())
            .output()
            .unwrap_or_else(|e| panic!("starting pg_dump: {e}"));
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines = text
            .lines()
            .filter(|l| !l.starts_with("\\restrict") && !l.starts_with("\\unrestrict"));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The type of a column.
    pub fn type_of(&self, table: &str, column: &str) -> String {
        self.one(&format!(
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attname = '{column}' AND NOT attisdropped"
        ))
    }

    /// Indexes over a table: name, method, valid.
    pub fn indexes(&self, table: &str) -> Vec<String> {
        self.rows(&format!(
            "SELECT c.relname, m.amname, x.indisvalid FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_am m ON m.oid = c.relam \
             WHERE x.indrelid = '{table}'::regclass ORDER BY 1"
        ))
    }

    /// Nothing of the program is left on any table of the user's.
    pub fn assert_tidy(&self) {
        let left = self.rows(
            "SELECT 'column', attrelid::regclass::text, attname FROM pg_attribute WHERE attname LIKE 'migrate\\_%' AND NOT attisdropped \
             UNION ALL SELECT 'trigger', tgrelid::regclass::text, tgname FROM pg_trigger WHERE tgname LIKE '%pgv2rs%' \
             UNION ALL SELECT 'constraint', conrelid::regclass::text, conname FROM pg_constraint WHERE conname LIKE 'pgv2rs%' \
             UNION ALL SELECT 'index', '', relname FROM pg_class WHERE relkind IN ('i', 'I') AND relname LIKE 'pgv2rs%' \
             UNION ALL SELECT 'function', '', proname FROM pg_proc WHERE proname LIKE 'keep\\_%' \
             UNION ALL SELECT 'table', '', relname FROM pg_class WHERE relkind = 'r' AND (relname LIKE 'migrate\\_%' OR relname LIKE 'changed\\_%')",
        );
        assert!(left.is_empty(), "{left:?}");
    }
}

/// All methods, as arguments.
pub const METHODS: [&[&str]; 3] = [
    &["--method", "add-column"],
    &["--method", "alter-type", "--yes"],
    &["--method", "shadow"],
];

pub const SHADOW: &[&str] = METHODS[2];

/// Those that need no primary key, and change trees.
pub const OF_DOCUMENTATION: [&[&str]; 2] = [METHODS[0], METHODS[1]];
