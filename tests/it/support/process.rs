//! Child processes that cannot outlive the test process, and scratch directories that cannot either.
//!
//! Each child leads a process group of its own, which is killed and reaped on drop, so also when a test panics. For
//! what drop does not reach (a static, SIGKILL on the test process, Ctrl-C) there is a watchdog: one shell per test
//! process that holds the read end of a pipe. The kernel closes the write end whenever and however the test process
//! ends; the shell then kills every group still registered and removes the scratch directory. PR_SET_PDEATHSIG would
//! not do: it fires when the *thread* that forked ends, and libtest runs each test in a thread of its own.

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

const WATCHDOG: &str = r#"
trap '' HUP INT TERM QUIT
groups=' '
while read -r sign group; do
  case $sign in
    +) groups="$groups$group " ;;
    -) groups="${groups%% $group *} ${groups#* $group }" ;;
  esac
done
for group in $groups; do kill -9 "-$group"; done
for attempt in 1 2 3 4 5 6 7 8 9 10; do
  rm -rf "$1" && exit
  sleep 0.2
done
"#;

struct Watchdog {
    /// The write end; closed by the kernel with the test process, inherited by nobody (std opens it close-on-exec).
    pipe: Mutex<ChildStdin>,
    scratch: PathBuf,
    /// Never waited for: it outlives us.
    _shell: Child,
}

fn watchdog() -> &'static Watchdog {
    static WATCHDOG_PROCESS: OnceLock<Watchdog> = OnceLock::new();
    WATCHDOG_PROCESS.get_or_init(|| {
        let scratch = tempfile::Builder::new()
            .prefix("holdfast-it-")
            .tempdir()
            .expect("a directory in the system's temporary directory")
            .keep();
        let mut shell = Command::new("sh")
            .args(["-c", WATCHDOG, "holdfast-it-watchdog"])
            .arg(&scratch)
            .current_dir("/")
            .stdin(Stdio::piped())
            // Not ours: whoever reads the output of `cargo test` to its end must not wait for the watchdog.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("sh for the watchdog");
        let pipe = shell.stdin.take().expect("the pipe that was asked for");
        Watchdog {
            pipe: Mutex::new(pipe),
            scratch,
            _shell: shell,
        }
    })
}

impl Watchdog {
    fn tell(&self, sign: char, group: u32) {
        let mut pipe = self
            .pipe
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        // One write of less than PIPE_BUF: never interleaved. A dead watchdog must not fail a drop.
        let _ = pipe.write_all(format!("{sign} {group}\n").as_bytes());
    }
}

/// A directory that is removed on drop, and with the test process at the latest.
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    pub fn new(name: &str) -> Scratch {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = watchdog().scratch.join(format!("{name}-{number}"));
        std::fs::create_dir_all(&path).expect("a scratch directory");
        Scratch { path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// A child process, the leader of its own group; killed with the whole group and reaped on drop. Its output is in
/// files, the last lines of which are printed when the test that owns it panics.
pub struct Process {
    name: String,
    child: Child,
    group: Pid,
    status: Option<ExitStatus>,
    stdin: Option<ChildStdin>,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Starts `command` with nothing on its standard input; output goes to `dir/<name>.out` and `.err` (appended, so
    /// that a restart keeps what was there).
    #[track_caller]
    pub fn start(name: &str, dir: &Path, command: Command) -> Process {
        Process::spawn(name, dir, command, false, Vec::new())
    }

    /// Starts `command` with a pipe on its standard input, to be taken with `take_stdin`.
    #[track_caller]
    pub fn start_with_stdin(name: &str, dir: &Path, command: Command) -> Process {
        Process::spawn(name, dir, command, true, Vec::new())
    }

    /// The same as `start`, with listening sockets as systemd passes them (sd_listen_fds(3)): from descriptor 3 on, their
    /// count in LISTEN_FDS, and whom they are for in LISTEN_PID.
    #[track_caller]
    pub fn start_passing(
        name: &str,
        dir: &Path,
        command: Command,
        sockets: Vec<OwnedFd>,
    ) -> Process {
        Process::spawn(name, dir, command, false, sockets)
    }

    #[track_caller]
    fn spawn(
        name: &str,
        dir: &Path,
        command: Command,
        with_stdin: bool,
        sockets: Vec<OwnedFd>,
    ) -> Process {
        let stdout = dir.join(format!("{name}.out"));
        let stderr = dir.join(format!("{name}.err"));
        let append = |path: &Path| {
            File::options()
                .create(true)
                .append(true)
                .open(path)
                .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
        };
        // The child waits for one line before it becomes the program: until the watchdog knows the group, a test
        // process that dies leaves only a shell whose `read` meets the end of the pipe.
        let script = match (with_stdin, sockets.is_empty()) {
            (true, _) => r#"read -r go && exec "$@""#,
            (false, true) => r#"read -r go && exec "$@" </dev/null"#,
            (false, false) => r#"read -r go && LISTEN_PID=$$ exec "$@" </dev/null"#,
        };
        let mut shell = Command::new("sh");
        if !sockets.is_empty() {
            shell.env("LISTEN_FDS", sockets.len().to_string());
            let mapping = |(parent_fd, child_fd)| FdMapping {
                parent_fd,
                child_fd,
            };
            let mappings = sockets.into_iter().zip(3..).map(mapping).collect();
            shell.fd_mappings(mappings).expect("each has its number");
        }
        shell
            .args(["-c", script, "sh"])
            .arg(command.get_program())
            .args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(key, value),
                None => shell.env_remove(key),
            };
        }
        if let Some(current) = command.get_current_dir() {
            shell.current_dir(current);
        }
        let mut child = shell
            .stdin(Stdio::piped())
            .stdout(append(&stdout))
            .stderr(append(&stderr))
            .process_group(0)
            .spawn()
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        watchdog().tell('+', child.id());
        let group = Pid::from_child(&child);
        let mut stdin = child.stdin.take().expect("the pipe that was asked for");
        stdin
            .write_all(b"go\n")
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        let stdin = with_stdin.then_some(stdin);
        Process {
            name: name.to_string(),
            child,
            group,
            status: None,
            stdin,
            stdout,
            stderr,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.stdin.take()
    }

    /// To the whole group. Nothing happens when it has ended.
    pub fn signal(&mut self, signal: Signal) {
        if self.try_wait().is_none() {
            let _ = kill_process_group(self.group, signal);
        }
    }

    pub fn try_wait(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("the status of our own child");
            if self.status.is_some() {
                self.bury();
            }
        }
        self.status
    }

    /// The exit status, or None when it still runs after `timeout`.
    pub fn wait_exit(&mut self, timeout: Duration) -> Option<ExitStatus> {
        let begun = Instant::now();
        loop {
            let status = self.try_wait();
            if status.is_some() || begun.elapsed() >= timeout {
                return status;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// SIGKILL to the group, and reaped.
    pub fn kill9(&mut self) {
        self.signal(Signal::KILL);
        if self.status.is_none() {
            self.status = self.child.wait().ok();
            self.bury();
        }
    }

    /// The leader is reaped: what is left of its group goes too, and the watchdog forgets the number, which the
    /// kernel may give to others from now on.
    fn bury(&self) {
        let _ = kill_process_group(self.group, Signal::KILL);
        watchdog().tell('-', self.child.id());
    }

    pub fn stdout(&self) -> String {
        read_lossy(&self.stdout)
    }

    pub fn stderr(&self) -> String {
        read_lossy(&self.stderr)
    }

    /// The last lines of both outputs, for messages.
    pub fn tail(&self) -> String {
        let mut text = String::new();
        for (what, path) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            let content = read_lossy(path);
            let lines: Vec<&str> = content.lines().collect();
            if !lines.is_empty() {
                text += &format!(
                    "--- {} {what}, the last of {} lines\n",
                    self.name,
                    lines.len()
                );
                text += &lines[lines.len().saturating_sub(25)..].join("\n");
                text.push('\n');
            }
        }
        text
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill9();
        if thread::panicking() {
            eprint!("{}", self.tail());
        }
    }
}

fn read_lossy(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

/// What a program that ran to its end left.
#[derive(Debug)]
pub struct Output {
    pub name: String,
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Output {
    /// The standard output; panics with both outputs unless the program ended with 0.
    #[track_caller]
    pub fn ok(&self) -> &str {
        let (out, err) = (&self.stdout, &self.stderr);
        assert!(
            self.status.success(),
            "{}: {}\n{out}\n{err}",
            self.name,
            self.status
        );
        out
    }

    /// The lines of the standard output that are JSON objects.
    pub fn json_lines(&self) -> Vec<serde_json::Value> {
        json_lines(&self.stdout)
    }
}

/// The lines that are JSON objects; others are passed over (tools mix warnings in).
pub fn json_lines(text: &str) -> Vec<serde_json::Value> {
    let lines = text.lines().filter(|line| line.starts_with('{'));
    lines
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// Runs `command` to its end; panics with what it wrote when that takes longer than `timeout`.
#[track_caller]
pub fn run(name: &str, command: Command, input: &[u8], timeout: Duration) -> Output {
    let dir = Scratch::new(name);
    let begun = Instant::now();
    let mut process = Process::start_with_stdin(name, dir.path(), command);
    let mut stdin = process.take_stdin().expect("the pipe that was asked for");
    let input = input.to_vec();
    // A program may write before it has read all: its input comes from a thread. One that does not read is no error.
    let feeder = thread::spawn(move || stdin.write_all(&input));
    let Some(status) = process.wait_exit(timeout) else {
        panic!(
            "{name}: still running after {timeout:?}\n{}",
            process.tail()
        );
    };
    let _ = feeder.join();
    let (stdout, stderr) = (process.stdout(), process.stderr());
    Output {
        name: name.to_string(),
        status,
        stdout,
        stderr,
        took: begun.elapsed(),
    }
}

/// Panics with one line that names the Debian package when `program` is not there.
#[track_caller]
pub fn require(program: &str, package: &str) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|dir| dir.join(program).is_file());
    assert!(found, "`{program}` is missing: apt-get install {package}");
}
