//! In: a connection string, and a way to ask for environment variables. Out: libpq's connection parameters: those of the string, then
//! those of the service, then those of the variables, then libpq's defaults; the hosts to try, and the password for each. Nothing is
//! connected to. What is wrong is said by its place, never by its words: they may be a piece of a password.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::password_file;

/// libpq's parameters, and the variable that stands for each.
const KNOWN: [(&str, &str); 50] = [
    ("service", "PGSERVICE"),
    ("user", "PGUSER"),
    ("password", "PGPASSWORD"),
    ("passfile", "PGPASSFILE"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("dbname", "PGDATABASE"),
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("port", "PGPORT"),
    ("client_encoding", "PGCLIENTENCODING"),
    ("options", "PGOPTIONS"),
    ("application_name", "PGAPPNAME"),
    ("fallback_application_name", ""),
    ("keepalives", ""),
    ("keepalives_idle", ""),
    ("keepalives_interval", ""),
    ("keepalives_count", ""),
    ("tcp_user_timeout", ""),
    ("sslmode", "PGSSLMODE"),
    ("sslnegotiation", "PGSSLNEGOTIATION"),
    ("sslcompression", "PGSSLCOMPRESSION"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("sslcertmode", "PGSSLCERTMODE"),
    ("sslpassword", ""),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcrl", "PGSSLCRL"),
    ("sslcrldir", "PGSSLCRLDIR"),
    ("sslsni", "PGSSLSNI"),
    ("requirepeer", "PGREQUIREPEER"),
    ("require_auth", "PGREQUIREAUTH"),
    ("min_protocol_version", "PGMINPROTOCOLVERSION"),
    ("max_protocol_version", "PGMAXPROTOCOLVERSION"),
    ("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    ("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    ("gssencmode", "PGGSSENCMODE"),
    ("krbsrvname", "PGKRBSRVNAME"),
    ("gsslib", "PGGSSLIB"),
    ("gssdelegation", "PGGSSDELEGATION"),
    ("replication", ""),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    ("scram_client_key", ""),
    ("scram_server_key", ""),
    ("oauth_issuer", ""),
    ("oauth_client_id", ""),
    ("oauth_client_secret", ""),
    ("oauth_scope", ""),
    ("sslkeylogfile", ""),
];

/// Asks for something that this program does not do: but for the values named here it would be a promise broken in silence.
const NOT_DONE: [(&str, &[&str]); 12] = [
    ("sslpassword", &[]),
    ("sslcrldir", &[]),
    ("sslkeylogfile", &[]),
    ("requirepeer", &[]),
    ("require_auth", &[]),
    ("min_protocol_version", &["3.0"]),
    ("gssencmode", &["disable", "prefer"]),
    ("replication", &["false", "off", "no", "0"]),
    ("scram_client_key", &[]),
    ("scram_server_key", &[]),
    ("load_balance_hosts", &["disable"]),
    ("oauth_issuer", &[]),
];

/// Where a server may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// A name, an address, or the directory of a socket.
    pub host: String,
    pub address: Option<IpAddr>,
    pub port: u16,
}

impl Place {
    pub fn is_socket(&self) -> bool {
        self.address.is_none() && self.host.starts_with(['/', '@'])
    }

    /// Nobody stands between.
    pub fn is_local(&self) -> bool {
        let address = self.address.or_else(|| self.host.parse().ok());
        self.is_socket() || address.map_or(self.host == "localhost", |a| a.is_loopback())
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// The parameters that are set; an empty one is none, as in libpq.
#[derive(Clone, Default)]
pub struct Parameters(BTreeMap<&'static str, String>);

type Read<T> = Result<T, String>;

impl Parameters {
    pub fn read(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Read<Parameters> {
        let mut parameters = Parameters::parse(text)?;
        // libpq would take it. But then the rest of a password stands where the host or the database is, and is printed with them.
        if url(text).is_some()
            && text.matches('@').count() > usize::from(parameters.0.contains_key("user"))
        {
            return Err("there is an @ beside the one before the host: write %40 for it".into());
        }
        let service = parameters.get("service").map(String::from);
        if let Some(service) = service.or_else(|| variable("PGSERVICE")) {
            parameters.complete(super::service_file::read(&service, variable)?);
        }
        for (name, variable_name) in KNOWN {
            if !variable_name.is_empty()
                && let Some(value) = variable(variable_name)
            {
                parameters.0.entry(name).or_insert(value);
            }
        }
        parameters.0.retain(|_, value| !value.is_empty());
        for (name, done) in NOT_DONE {
            if let Some(value) = parameters.get(name)
                && !done.contains(&value)
            {
                return Err(format!("{name} is set, which this program cannot do"));
            }
        }
        if parameters.get("user").is_none()
            && let Ok(user) = whoami::username()
        {
            parameters.0.insert("user", user);
        }
        Ok(parameters)
    }

    /// The string alone.
    pub fn parse(text: &str) -> Read<Parameters> {
        match url(text) {
            Some(rest) => of_url(rest),
            None => of_words(text),
        }
    }

    /// All that there are.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KNOWN.iter().map(|(name, _)| *name)
    }

    /// None where it is not set, or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|v| !v.is_empty())
    }

    pub fn number(&self, name: &str) -> Read<Option<u64>> {
        // libpq takes -1 in connect_timeout for "not set".
        let text = self.get(name).map(str::trim).filter(|v| *v != "-1");
        let number = text.map(str::parse).transpose();
        number.map_err(|_| format!("{name} is no number"))
    }

    pub fn database(&self) -> &str {
        self.get("dbname")
            .or(self.get("user"))
            .unwrap_or("postgres")
    }

    /// In the order in which they are tried.
    pub fn places(&self) -> Read<Vec<Place>> {
        let list = |name| -> Vec<&str> {
            let text = self.0.get(name).map(String::as_str);
            text.map_or(Vec::new(), |t| t.split(',').map(str::trim).collect())
        };
        let (hosts, addresses, ports) = (list("host"), list("hostaddr"), list("port"));
        let count = hosts.len().max(addresses.len()).max(1);
        for (name, list) in [("host", &hosts), ("hostaddr", &addresses)] {
            if list.len() != count && !list.is_empty() {
                return Err(format!(
                    "{name} names {} places and its companion {count}",
                    list.len()
                ));
            }
        }
        if ports.len() > 1 && ports.len() != count {
            return Err(format!("{} ports for {count} hosts", ports.len()));
        }
        let place = |i: usize| {
            let port = ports.get(i).or(ports.first()).filter(|p| !p.is_empty());
            let port = port.map_or(Ok(5432), |p| p.parse());
            let port = port.map_err(|_| format!("the port of host {} is no port", i + 1))?;
            let address = addresses.get(i).filter(|a| !a.is_empty());
            let address: Option<IpAddr> = address
                .map(|a| a.parse())
                .transpose()
                .map_err(|_| format!("hostaddr {} is no address", i + 1))?;
            let host = hosts.get(i).filter(|h| !h.is_empty());
            let host = match (host, address) {
                (Some(host), _) => host.to_string(),
                (None, Some(address)) => address.to_string(),
                (None, None) => nearest(port),
            };
            Ok(Place {
                host,
                address,
                port,
            })
        };
        (0..count).map(place).collect()
    }

    /// As libpq has it: the parameter, else the password file. A warning where the file is not taken.
    pub fn password(&self, place: &Place) -> (Option<String>, Option<String>) {
        if let Some(password) = self.get("password") {
            return (Some(password.to_string()), None);
        }
        let file = self.get("passfile").map(PathBuf::from);
        let file = file.or_else(|| Some(home()?.join(".pgpass")));
        let host = match place.is_socket() && SOCKETS.contains(&place.host.as_str()) {
            true => "localhost",
            false => &place.host,
        };
        let user = self.get("user").unwrap_or_default();
        let wanted = [host, &place.port.to_string(), self.database(), user];
        let found = file.map(|f| password_file::read(&f, wanted));
        found.unwrap_or_default()
    }

    /// libpq's variables for another program that is to reach the same place.
    pub fn variables(&self, place: &Place) -> Vec<(&'static str, String)> {
        let own = ["service", "passfile", "host", "hostaddr", "port", "dbname"];
        let elsewhere = ["password", "target_session_attrs", "application_name"];
        let mut variables: Vec<(&str, String)> = KNOWN
            .iter()
            .filter(|(name, variable)| {
                !variable.is_empty() && !own.contains(name) && !elsewhere.contains(name)
            })
            .filter_map(|(name, variable)| Some((*variable, self.get(name)?.to_string())))
            .collect();
        variables.push(("PGHOST", place.host.clone()));
        variables.push(("PGPORT", place.port.to_string()));
        variables.push(("PGDATABASE", self.database().to_string()));
        variables.extend(place.address.map(|a| ("PGHOSTADDR", a.to_string())));
        variables.extend(self.password(place).0.map(|p| ("PGPASSWORD", p)));
        variables
    }

    /// What the service says of parameters that the string does not have.
    fn complete(&mut self, others: Parameters) {
        for (name, value) in others.0 {
            self.0.entry(name).or_insert(value);
        }
    }

    /// False: there is no such parameter.
    pub fn set(&mut self, name: &str, value: String) -> bool {
        let known = KNOWN.iter().find(|(known, _)| *known == name);
        if let Some((known, _)) = known {
            self.0.insert(known, value);
        }
        known.is_some()
    }
}

/// Where servers put their sockets, by PostgreSQL's own and by the distributions' defaults.
const SOCKETS: [&str; 2] = ["/tmp", "/var/run/postgresql"];

/// Without a host libpq takes the directory for sockets that it was built with. Here: the one in which there is a socket.
fn nearest(port: u16) -> String {
    let there = |directory: &&&str| {
        Path::new(directory)
            .join(format!(".s.PGSQL.{port}"))
            .exists()
    };
    SOCKETS
        .iter()
        .rev()
        .find(there)
        .map_or("localhost", |d| d)
        .to_string()
}

pub fn home() -> Option<PathBuf> {
    std::env::home_dir()
}

fn url(text: &str) -> Option<&str> {
    let schemes = ["postgresql://", "postgres://"];
    schemes.iter().find_map(|scheme| text.strip_prefix(scheme))
}

/// `name = value` words; a value with blanks stands in single quotes, `\` takes the next character as it is.
fn of_words(text: &str) -> Read<Parameters> {
    let mut parameters = Parameters::default();
    let mut chars = text.char_indices().peekable();
    loop {
        while chars.next_if(|(_, c)| blank(*c)).is_some() {}
        let Some(&(start, _)) = chars.peek() else {
            return Ok(parameters);
        };
        let at = start + 1;
        let mut name = String::new();
        while let Some((_, c)) = chars.next_if(|(_, c)| *c != '=' && !blank(*c)) {
            name.push(c);
        }
        while chars.next_if(|(_, c)| blank(*c)).is_some() {}
        if chars.next_if(|(_, c)| *c == '=').is_none() {
            return Err(format!("the word at character {at} has no ="));
        }
        while chars.next_if(|(_, c)| blank(*c)).is_some() {}
        let quoted = chars.next_if(|(_, c)| *c == '\'').is_some();
        let mut value = String::new();
        let mut open = quoted;
        while let Some((_, c)) = chars.next_if(|(_, c)| quoted || !blank(*c)) {
            match c {
                '\\' => value.extend(chars.next().map(|(_, c)| c)),
                '\'' if quoted => {
                    open = false;
                    break;
                }
                c => value.push(c),
            }
        }
        if open {
            return Err(format!(
                "the quote of the parameter at character {at} does not end"
            ));
        }
        if !parameters.set(&name, value) {
            return Err(format!("there is no parameter as at character {at}"));
        }
    }
}

/// C's isspace.
pub fn blank(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

/// `[user[:password]@][host[:port][,…]][/database][?name=value[&…]]`, everything percent-encoded.
fn of_url(rest: &str) -> Read<Parameters> {
    let mut parameters = Parameters::default();
    // As in libpq the first @ ends the user, unless a / stands before it.
    let (user, rest) = match rest.find(['@', '/']) {
        Some(at) if rest[at..].starts_with('@') => (Some(&rest[..at]), &rest[at + 1..]),
        _ => (None, rest),
    };
    if let Some(user) = user {
        let (user, password) = user.split_once(':').unwrap_or((user, ""));
        // Set, be it empty.
        parameters.set("user", decoded(user, "the user")?);
        parameters.set("password", decoded(password, "the password")?);
    }
    let (mut names, mut ports) = (Vec::new(), Vec::new());
    let mut rest = rest;
    loop {
        let name;
        (name, rest) = match rest.strip_prefix('[') {
            Some(inner) => inner
                .split_once(']')
                .filter(|(name, _)| !name.is_empty())
                .ok_or("an address in brackets is empty or does not end")?,
            None => until(rest, &[':', '/', '?', ',']),
        };
        names.push(name);
        let port;
        (port, rest) = match rest.strip_prefix(':') {
            Some(behind) => until(behind, &['/', '?', ',']),
            None => ("", rest),
        };
        ports.push(port);
        match rest.strip_prefix(',') {
            Some(behind) => rest = behind,
            None => break,
        }
    }
    let (database, query) = match (rest.strip_prefix('/'), rest.strip_prefix('?')) {
        (Some(rest), _) => rest.split_once('?').unwrap_or((rest, "")),
        (_, Some(query)) => ("", query),
        _ if rest.is_empty() => ("", ""),
        _ => return Err("behind an address in brackets stands something else".into()),
    };
    parameters.set("host", decoded(&names.join(","), "a host")?);
    parameters.set("port", decoded(&ports.join(","), "a port")?);
    if !database.is_empty() {
        parameters.set("dbname", decoded(database, "the database")?);
    }
    // A last & ends a parameter, and begins none.
    for (n, pair) in query.split_terminator('&').enumerate() {
        let wrong = |why: &str| format!("parameter {} behind the ? {why}", n + 1);
        let (name, value) = pair.split_once('=').ok_or_else(|| wrong("has no ="))?;
        if value.contains('=') {
            return Err(wrong("has two ="));
        }
        let (name, value) = (
            decoded(name, "a parameter")?,
            decoded(value, "a parameter")?,
        );
        // JDBC's way to say it.
        let (name, value) = match (name.as_str(), value.as_str()) {
            ("ssl", "true") => ("sslmode".to_string(), "require".to_string()),
            _ => (name, value),
        };
        if !parameters.set(&name, value) {
            return Err(wrong("is none of libpq's"));
        }
    }
    Ok(parameters)
}

/// Up to the first of these, and the rest from it on.
fn until<'a>(text: &'a str, ends: &[char]) -> (&'a str, &'a str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

fn decoded(text: &str, what: &str) -> Read<String> {
    let mut bytes = Vec::with_capacity(text.len());
    // Blanks around are not meant, those within are not encoded.
    let mut rest = text.trim_matches(' ').as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let (byte, behind) = match (first, behind) {
            (b'%', [high, low, behind @ ..]) => {
                let digit = |b: &u8| char::from(*b).to_digit(16);
                let byte = digit(high).zip(digit(low)).map(|(h, l)| h * 16 + l);
                let byte = byte.and_then(|b| u8::try_from(b).ok()).filter(|b| *b != 0);
                (byte, behind)
            }
            (b'%' | b' ', _) => (None, behind),
            _ => (Some(first), behind),
        };
        bytes.push(
            byte.ok_or_else(|| format!("{what} has a blank, or a % that begins no encoded byte"))?,
        );
        rest = behind;
    }
    String::from_utf8(bytes).map_err(|_| format!("{what} is no UTF-8"))
}
