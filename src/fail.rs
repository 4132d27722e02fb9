//! In: the name of a step. Out: nothing, but in a build for tests the end of the process, killed as if by somebody else, where
//! `PGV2RS_KILL_AT=name` or `name:n` (at the n-th passing) asks for it.

#[cfg(debug_assertions)]
pub fn point(name: &str) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    static WANTED: LazyLock<Option<(String, u64)>> = LazyLock::new(|| {
        let wanted = std::env::var("PGV2RS_KILL_AT").ok()?;
        Some(match wanted.split_once(':') {
            Some((name, times)) => (name.to_string(), times.parse().ok()?),
            None => (wanted, 1),
        })
    });
    static PASSED: AtomicU64 = AtomicU64::new(0);
    if let Some((wanted, times)) = WANTED.as_ref()
        && wanted == name
        && PASSED.fetch_add(1, Ordering::Relaxed) + 1 == *times
    {
        // No destructor, no word to the servers, and no other thread gets further: the shell takes this process's place, and its sockets are
        // closed. A library that forbids unsafe code cannot send the signal itself.
        use std::os::unix::process::CommandExt;
        let _ = std::process::Command::new("sh")
            .args(["-c", "kill -9 $$"])
            .exec();
        std::process::abort();
    }
}

#[cfg(not(debug_assertions))]
pub fn point(_: &str) {}
