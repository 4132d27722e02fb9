//! In: where a server is, and SQL. Out: databases and roles that live as long as a test, and rows as text. Every failure
//! ends the test with the server's own words.

use std::sync::LazyLock;

use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

/// Drives the connections of all tests of a binary.
static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("starting a runtime")
});

/// A database, and the way to it.
#[derive(Clone, Debug)]
pub struct Place {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: Option<String>,
    pub database: String,
}

impl Place {
    pub fn source() -> Place {
        Place::named("PGV2RS_TEST_SOURCE")
    }

    pub fn target() -> Place {
        Place::named("PGV2RS_TEST_TARGET")
    }

    /// The server that this variable names.
    pub fn named(name: &str) -> Place {
        let text = std::env::var(name).unwrap_or_else(|_| {
            panic!("{name} is not set: run scripts/test, or eval \"$(scripts/servers env)\"")
        });
        let config: Config = text
            .parse()
            .unwrap_or_else(|e| panic!("{name} is no connection string: {e}"));
        let host = match config.get_hosts().first() {
            Some(Host::Tcp(name)) => name.clone(),
            Some(Host::Unix(path)) => path.display().to_string(),
            None => "localhost".into(),
        };
        let user = config.get_user().unwrap_or("postgres").to_string();
        Place {
            host,
            port: config.get_ports().first().copied().unwrap_or(5432),
            password: config
                .get_password()
                .map(|p| String::from_utf8_lossy(p).into_owned()),
            database: config.get_dbname().unwrap_or(&user).to_string(),
            user,
        }
    }

    pub fn with_database(&self, database: &str) -> Place {
        Place {
            database: database.into(),
            ..self.clone()
        }
    }

    /// Through a proxy on this port of the loopback interface.
    pub fn through(&self, port: u16) -> Place {
        Place {
            host: "127.0.0.1".into(),
            port,
            ..self.clone()
        }
    }

    /// libpq's key=value form, which needs no encoding but for quotes.
    pub fn connection_string(&self) -> String {
        let quote = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
        let mut text = format!(
            "host='{}' port={} user='{}' dbname='{}'",
            quote(&self.host),
            self.port,
            quote(&self.user),
            quote(&self.database)
        );
        if let Some(password) = &self.password {
            text.push_str(&format!(" password='{}'", quote(password)));
        }
        text
    }

    pub fn connect(&self) -> Result<Client, String> {
        RUNTIME.block_on(async {
            let config: Config = self.connection_string().parse().map_err(told)?;
            let (client, connection) = config.connect(NoTls).await.map_err(told)?;
            tokio::spawn(connection);
            Ok(client)
        })
    }

    /// A session of its own in the same database.
    pub fn session(&self) -> Session {
        self.try_session()
            .unwrap_or_else(|e| panic!("connecting to {}:{}: {e}", self.host, self.port))
    }

    pub fn try_session(&self) -> Result<Session, String> {
        self.connect().map(|client| Session { client })
    }
}

pub struct Session {
    client: Client,
}

impl Session {
    pub fn try_exec(&self, sql: &str) -> Result<(), String> {
        RUNTIME
            .block_on(self.client.batch_execute(sql))
            .map_err(told)
    }

    pub fn exec(&self, sql: &str) {
        if let Err(error) = self.try_exec(sql) {
            panic!("{error}\n{sql}");
        }
    }

    /// Rows as text, `|` between the columns, NULL as `NULL`.
    pub fn try_rows(&self, sql: &str) -> Result<Vec<String>, String> {
        let messages = RUNTIME
            .block_on(self.client.simple_query(sql))
            .map_err(told)?;
        let rows = messages.into_iter().filter_map(|m| match m {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let text = |row: tokio_postgres::SimpleQueryRow| {
            let fields = (0..row.len()).map(|i| row.get(i).unwrap_or("NULL").to_string());
            fields.collect::<Vec<_>>().join("|")
        };
        Ok(rows.map(text).collect())
    }

    pub fn rows(&self, sql: &str) -> Vec<String> {
        self.try_rows(sql)
            .unwrap_or_else(|error| panic!("{error}\n{sql}"))
    }

    /// The only row.
    pub fn one(&self, sql: &str) -> String {
        let rows = self.rows(sql);
        assert_eq!(rows.len(), 1, "{sql}: {rows:?}");
        rows.into_iter().next().unwrap_or_default()
    }
}

/// A database of this test's own, with a session in it.
pub struct Db {
    pub place: Place,
    session: Session,
    server: Place,
}

impl std::ops::Deref for Db {
    type Target = Session;
    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Db {
    pub fn create(server: &Place, name: &str) -> Db {
        Db::create_as(server, name, "ENCODING 'UTF8'")
    }

    /// With options of CREATE DATABASE.
    pub fn create_as(server: &Place, name: &str, options: &str) -> Db {
        let make = format!(
            "CREATE DATABASE {} TEMPLATE template0 {options}",
            quoted(name)
        );
        server.session().exec(&make);
        let place = server.with_database(name);
        Db {
            session: place.session(),
            place,
            server: server.clone(),
        }
    }

    /// Everything that a run could make: relations, types, functions, schemas, extensions, with their OIDs and privileges.
    pub fn catalog(&self) -> Vec<String> {
        self.rows(
            "SELECT 'relation', c.oid, n.nspname, c.relname, c.relkind::text, coalesce(c.relacl::text, '') FROM pg_class c \
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' \
             UNION ALL SELECT 'type', t.oid, n.nspname, t.typname, t.typtype::text, '' FROM pg_type t \
             JOIN pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' \
             UNION ALL SELECT 'function', p.oid, n.nspname, p.proname, p.prokind::text, '' FROM pg_proc p \
             JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' \
             UNION ALL SELECT 'schema', oid, nspname, '', '', coalesce(nspacl::text, '') FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' \
             UNION ALL SELECT 'extension', oid, extname, extversion, '', '' FROM pg_extension ORDER BY 1, 3, 4, 2",
        )
    }

    /// None: there is no such table.
    pub fn count(&self, table: &str) -> Option<u64> {
        let there = self.one(&format!("SELECT to_regclass('{table}') IS NOT NULL"));
        (there == "t").then(|| {
            self.one(&format!("SELECT count(*) FROM {table}"))
                .parse()
                .unwrap_or_else(|e| panic!("a count is a number: {e}"))
        })
    }

    /// Every row of the program's ledger, as text.
    pub fn ledger(&self) -> String {
        let tables = "SELECT oid::regclass FROM pg_class WHERE relnamespace = to_regnamespace('pgv2rs') AND relkind = 'r'";
        let rows = |table: &String| self.try_rows(&format!("SELECT t::text FROM {table} t"));
        // A session may have ended with its server.
        let tables = self.try_rows(tables).unwrap_or_default();
        let rows: Vec<String> = tables
            .iter()
            .filter_map(|t| rows(t).ok())
            .flatten()
            .collect();
        rows.join("\n")
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        let told = super::run::SECRETS.lock().is_ok_and(|secrets| {
            let ledger = self.ledger();
            secrets.iter().any(|secret| ledger.contains(secret))
        });
        if let Ok(client) = self.server.connect() {
            let name = quoted(&self.place.database);
            let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            let _ = RUNTIME.block_on(client.batch_execute(&sql));
        }
        // A second panic would end all tests of the binary.
        assert!(
            !told || std::thread::panicking(),
            "the ledger holds a password"
        );
    }
}

/// A role of this test's own. It is declared before the databases that use it, so that it is dropped after them.
pub struct Role {
    pub name: String,
    servers: Vec<Place>,
}

impl Role {
    pub fn create(servers: &[Place], options: &str) -> Role {
        Role::named(super::unique("role"), servers, options)
    }

    /// With a name that has to be quoted with care.
    pub fn odd(servers: &[Place]) -> Role {
        let name = format!("Odd \"{}\" role's", super::unique("é"));
        Role::named(name, servers, "")
    }

    fn named(name: String, servers: &[Place], options: &str) -> Role {
        let role = Role {
            name,
            servers: servers.to_vec(),
        };
        for server in servers {
            server
                .session()
                .exec(&format!("CREATE ROLE {} {options}", role.quoted()));
        }
        role
    }

    /// For statements.
    pub fn quoted(&self) -> String {
        format!("\"{}\"", self.name.replace('"', "\"\""))
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        for client in self.servers.iter().filter_map(|s| s.connect().ok()) {
            let sql = format!("DROP ROLE IF EXISTS {}", self.quoted());
            let _ = RUNTIME.block_on(client.batch_execute(&sql));
        }
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn told(error: tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{}: {}", db.code().code(), db.message()),
        None => error.to_string(),
    }
}
