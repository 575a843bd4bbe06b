//! The launcher of the demo: `cargo run -p holdfast-demo`. Checks that librdkafka can be built and names the packages if it
//! cannot, builds Holdfast and the demo in its own profile, and becomes the demo.
//!
//! It is built without librdkafka for that reason alone: a check cannot run before the build that it is to precede.

use clap::Parser;
use holdfast_demo::flags::Flags;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs, io};

/// What the build of librdkafka runs, and the Debian package that has it.
const TOOLS: [(&str, &str); 4] = [
    ("cc", "gcc"),
    ("c++", "g++"),
    ("make", "make"),
    ("bash", "bash"),
];

fn main() -> ExitCode {
    // A wrong flag is told here; the demo reads the same arguments again.
    let _ = Flags::parse();
    match launch() {
        Ok(never) => match never {},
        Err(message) => {
            eprintln!("holdfast-demo: {message}");
            ExitCode::from(2)
        }
    }
}

fn launch() -> Result<std::convert::Infallible, String> {
    let missing = missing_tools(&env::var_os("PATH").unwrap_or_default());
    if !missing.is_empty() {
        let (tools, packages): (Vec<_>, Vec<_>) = missing.into_iter().unzip();
        return Err(format!(
            "the demo builds librdkafka, which needs {}; on Debian and Ubuntu: apt-get install {}",
            tools.join(", "),
            packages.join(" ")
        ));
    }
    let here = env::current_exe().map_err(|error| error.to_string())?;
    let folder = here.parent().ok_or("the launcher lies in no folder")?;
    build(folder)?;
    let show = folder.join("holdfast-demo-show");
    let error = Command::new(&show).args(env::args_os().skip(1)).exec();
    Err(format!("cannot start {}: {error}", show.display()))
}

fn missing_tools(path: &OsString) -> Vec<(&'static str, &'static str)> {
    let there = |tool: &str| env::split_paths(path).any(|folder| is_file(&folder.join(tool)));
    TOOLS.into_iter().filter(|(tool, _)| !there(tool)).collect()
}

fn is_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file())
}

/// Builds into the folder that this launcher was built into, so that nothing is built twice.
fn build(folder: &Path) -> Result<(), String> {
    let target = folder
        .parent()
        .ok_or("the launcher lies in no target folder")?;
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    eprintln!("holdfast-demo: building Holdfast and librdkafka; the first time takes some minutes");
    let status = cargo()
        .args(["build", "--profile", profile, "--target-dir"])
        .arg(target)
        .args(["-p", "holdfast", "--bin", "holdfast"])
        .args(["-p", "holdfast-demo", "--bin", "holdfast-demo-show"])
        .args(["--features", "holdfast-demo/librdkafka"])
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the build failed ({status}), see above")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(
            "cargo is not on the PATH; start the demo by: cargo run -p holdfast-demo".to_owned(),
        ),
        Err(error) => Err(format!("cannot start cargo: {error}")),
    }
}

/// The cargo that runs us, in the workspace that we come from.
fn cargo() -> Command {
    let cargo = env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
    let mut command = Command::new(cargo);
    if let Some(package) = env::var_os("CARGO_MANIFEST_DIR") {
        command.current_dir(package);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_is_missing_where_the_path_is_empty() {
        assert_eq!(missing_tools(&OsString::new()), TOOLS);
    }
}
