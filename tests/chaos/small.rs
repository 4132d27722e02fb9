//! In: a server and a size. Out: a tablespace on a file system of that size, which fills, and later grows. Only root may mount one:
//! elsewhere there is none, and the run says so.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::common::Place;
use super::servers::{Servers, Side, own};
use super::session;

pub struct Small {
    directory: PathBuf,
    server: Place,
    pub name: String,
}

impl Small {
    pub fn mount(servers: &Servers, name: &str, kilobytes: u64) -> Option<Small> {
        let small = Small {
            directory: servers.directory.join(name),
            server: servers.place(Side::Target).clone(),
            name: name.into(),
        };
        std::fs::create_dir(&small.directory).ok()?;
        if !mounted(&[
            "mount",
            "-t",
            "tmpfs",
            "-o",
            &format!("size={kilobytes}k"),
            "tmpfs",
            &small.directory.display().to_string(),
        ]) {
            let _ = std::fs::remove_dir(&small.directory);
            return None;
        }
        own(&small.directory);
        let made = session(&small.server).and_then(|s| {
            let place = small.directory.display();
            s.try_exec(&format!("CREATE TABLESPACE {name} LOCATION '{place}'"))
        });
        made.ok().map(|()| small)
    }

    pub fn grow(&self, kilobytes: u64) {
        let size = format!("remount,size={kilobytes}k");
        let place = self.directory.display().to_string();
        assert!(mounted(&["mount", "-o", &size, &place]), "{place} grows");
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        if let Ok(session) = session(&self.server) {
            let _ = session.try_exec(&format!("DROP TABLESPACE {}", self.name));
        }
        mounted(&["umount", "-l", &self.directory.display().to_string()]);
        let _ = std::fs::remove_dir(&self.directory);
    }
}

fn mounted(command: &[&str]) -> bool {
    let done = Command::new(command[0])
        .args(&command[1..])
        .stderr(Stdio::null())
        .status();
    done.is_ok_and(|status| status.success())
}
