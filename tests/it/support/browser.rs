//! A browser that people use, without a screen: Debian's `chromium`.

use super::process::{self, Scratch};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(120);

/// The text of the page at `url` as its script has left it after `virtual_ms` of the browser's own clock.
#[track_caller]
pub fn dump_dom(url: &str, virtual_ms: u32) -> String {
    let scratch = Scratch::new("chromium");
    let mut command = chromium(scratch.path(), virtual_ms);
    command.args(["--dump-dom", url]);
    process::run("chromium", command, b"", TIMEOUT)
        .ok()
        .to_owned()
}

/// A picture of it at `file`, `width` by `height` pixels.
#[track_caller]
pub fn screenshot(url: &str, file: &Path, (width, height): (u32, u32), dark: bool) {
    let scratch = Scratch::new("chromium");
    let mut command = chromium(scratch.path(), 3000);
    command.arg(format!("--screenshot={}", file.display()));
    command.arg(format!("--window-size={width},{height}"));
    if dark {
        command.arg("--blink-settings=preferredColorScheme=0");
    }
    command.arg(url);
    process::run("chromium", command, b"", TIMEOUT).ok();
}

fn chromium(home: &Path, virtual_ms: u32) -> Command {
    process::require("chromium", "chromium");
    let mut command = Command::new("chromium");
    // Without a sandbox, as tests run as root; without a GPU, a keyring, and pages of its own.
    command.args([
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
    ]);
    command.args([
        "--password-store=basic",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
    ]);
    command.arg(format!("--user-data-dir={}", home.display()));
    command.arg(format!("--virtual-time-budget={virtual_ms}"));
    command.env("HOME", home);
    command
}
