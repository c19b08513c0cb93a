//! The binary: what was typed is parsed, the command runs, and its outcome becomes an exit code.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use lumen_inbox::cli::{Cli, Command};
use lumen_inbox::cmd;
use lumen_inbox::config::Faults;
use lumen_inbox::exit::Exit;
use tokio::runtime::{Builder, Runtime};

fn main() -> ExitCode {
    let cli = Cli::read(std::env::args_os()).unwrap_or_else(|fault| fault.exit());
    let serves = matches!(cli.command, Command::Serve(_));
    let runtime = match runtime(serves) {
        Ok(runtime) => runtime,
        Err(fault) => return failed(&anyhow::Error::new(fault).context("the runtime cannot be started")),
    };
    let done = runtime.block_on(cmd::run(cli));
    // A read of a terminal that is still under way would otherwise be waited for.
    runtime.shutdown_background();
    match done {
        Ok(exit) => exit.into(),
        Err(fault) => failed(&fault),
    }
}

/// One thread is enough for a client; a server takes one a core.
fn runtime(serves: bool) -> std::io::Result<Runtime> {
    let mut builder = if serves { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    builder.enable_all().build()
}

/// Tells why, in the last line, or in a line for each fault of a configuration.
fn failed(fault: &anyhow::Error) -> ExitCode {
    if let Some(usage) = fault.downcast_ref::<clap::Error>() {
        // Nothing is left to be done about a stderr that cannot be written to.
        let _ = usage.print();
        return Exit::Usage.into();
    }
    if let Some(Faults(faults)) = fault.downcast_ref() {
        faults.iter().for_each(cmd::term::fault);
        return Exit::Usage.into();
    }
    cmd::term::failure(fault);
    Exit::Failed.into()
}
