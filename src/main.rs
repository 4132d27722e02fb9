//! In: the command line. Out: the run's exit code, its log on standard error, its report on standard output. It decides nothing
//! but how a run is started and how Ctrl-C ends one.
#![forbid(unsafe_code)]

use std::future::Future;
use std::io::IsTerminal;
use std::process::ExitCode;

use pgv2rs_copy::cli::{self, LogFormat, Task, Voice};
use pgv2rs_copy::connect::Endpoint;
use pgv2rs_copy::error::{Error, Result, Side};
use pgv2rs_copy::finish;
use pgv2rs_copy::in_place;
use pgv2rs_copy::join;
use pgv2rs_copy::ledger;
use pgv2rs_copy::run::{self, Ended, Standing};
use pgv2rs_copy::verify;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let task = match cli::parse() {
        Ok(task) => task,
        Err(error) => return fail(&error, LogFormat::Text),
    };
    let (voice, threads) = match &task {
        Task::Move(options) => {
            let ends = [&options.source, &options.target];
            (options.voice, threads(ends, options.jobs))
        }
        Task::Verify(options) => {
            let ends = [&options.source, &options.target];
            (options.voice, threads(ends, options.jobs))
        }
        Task::InPlace(options) => (options.voice, 1),
        Task::Finish(options) => (options.voice, 1),
        Task::Status(_) | Task::Clean(_) => (Voice::plain(), 1),
    };
    log_to_stderr(voice);
    // Of several, one is none of those that drive the sockets: a single one does all without waking another.
    let mut runtime = match threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.worker_threads(threads).enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(done(&task, voice.log_format)),
        Err(error) => fail(
            &Error::new(Side::Internal, "starting the runtime").because(error),
            voice.log_format,
        ),
    }
}

/// One for each job, which waits for its sockets most of the time: more only wake each other. A server on this machine needs its cores,
/// three or four times as much of them as a job does.
fn threads(ends: [&Endpoint; 2], jobs: usize) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let ours = match ends.iter().any(|end| end.is_local()) {
        true => cores / 2,
        false => cores,
    };
    jobs.min(ours).max(1)
}

async fn done(task: &Task, log_format: LogFormat) -> ExitCode {
    let standing = Standing::default();
    let outcome = match task {
        Task::Move(options) => {
            let ends = [&options.target, &options.source];
            match options.join {
                true => until_stopped(join::run(options), ends).await,
                false => until_stopped(run::run(options, &standing), ends).await,
            }
        }
        Task::Verify(options) => {
            let ends = [&options.target, &options.source];
            until_stopped(verify::command::run(options), ends).await
        }
        Task::InPlace(options) => until_stopped(in_place::run(options), [&options.target]).await,
        Task::Finish(options) => {
            let said = async { finish::run(options).await.map(told) };
            until_stopped(said, [&options.target]).await
        }
        Task::Status(target) => {
            let said = async { ledger::status::status(target).await.map(told) };
            until_stopped(said, [target]).await
        }
        Task::Clean(target) => {
            let said = async { ledger::status::clean(target).await.map(told) };
            until_stopped(said, [target]).await
        }
    };
    match outcome {
        Ok(Ended::Well) => ExitCode::SUCCESS,
        Ok(Ended::Differing) => ExitCode::from(Side::Verification.exit_code()),
        Ok(Ended::Unfinished) => ExitCode::from(Side::Target.exit_code()),
        Ok(Ended::Rejecting) => ExitCode::from(6),
        Ok(Ended::Unreported) => ExitCode::from(Side::Internal.exit_code()),
        Err(error) => {
            let code = fail(&error, log_format);
            if matches!(task, Task::Move(options) if !options.join) {
                say(run::what_is_there(&standing), log_format);
            }
            code
        }
    }
}

fn told(text: String) -> Ended {
    run::say(&text);
    Ended::Well
}

async fn until_stopped<const N: usize>(
    work: impl Future<Output = Result<Ended>>,
    ends: [&Endpoint; N],
) -> Result<Ended> {
    tokio::select! {
        outcome = work => outcome,
        _ = stopped() => {
            let cancelled = async {
                for end in ends {
                    end.cancel_all().await;
                }
            };
            // Twice is at once.
            tokio::select! {
                () = cancelled => {}
                _ = stopped() => {}
            }
            Err(Error::new(Side::Interrupted, "stopped by the user"))
        }
    }
}

/// Ctrl-C, or the SIGTERM of a service manager.
async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

fn fail(error: &Error, format: LogFormat) -> ExitCode {
    say(&error.chain(), format);
    ExitCode::from(error.exit_code())
}

/// The last words of a run that ended early: for a person as they are, for a program as a log line.
fn say(text: &str, format: LogFormat) {
    match format {
        LogFormat::Text => eprintln!("{text}"),
        LogFormat::Json => tracing::error!("{text}"),
    }
}

fn log_to_stderr(voice: Voice) {
    let level = match (voice.quiet, voice.verbose) {
        (true, _) => "warn",
        (false, 0) => "info",
        (false, 1) => "pgv2rs_copy=debug,info",
        // tokio-postgres logs each query with its parameters, which may be values.
        (false, _) => "debug,tokio_postgres=info",
    };
    let log = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(EnvFilter::new(level));
    match voice.log_format {
        LogFormat::Text => log.with_target(false).init(),
        LogFormat::Json => log.json().init(),
    }
}
